"""How much is kept of upstreams: what was of no use for the longest time goes when there is too much."""

import time
from collections.abc import Awaitable, Callable

from havre.lib.tasks import TaskOwner
from havre.registry.call import Call
from havre.registry.catalog import Catalog
from havre.registry.seams import Event
from havre.registry.upstream import records

_STEP = 100
_MOST_UNWRITTEN = 1000


class Budget:
    """Observes what is of use, and evicts down to ``size`` bytes when it is told that the cache has ``grown``."""

    def __init__(
        self, catalog: Catalog, size: int, cached: Callable[[str], bool], remove: Callable[[str], Awaitable[int]]
    ) -> None:
        self._catalog = catalog
        self._size = size
        self._cached = cached
        self._remove = remove
        self._used: dict[records.Key, float] = {}
        self._deleted: set[records.Key] = set()
        self._tasks = TaskOwner("cache")
        self._again = False

    def told(self, event: Event) -> None:
        if not self._cached(event.repository):
            return
        key = (event.repository, event.digest)
        if event.happening == "pulled":
            self._used[key] = time.time()
            if len(self._used) >= _MOST_UNWRITTEN:
                self.grown()
        elif event.happening == "deleted":
            self._deleted.add(key)
            self.grown()

    def answered(self, call: Call, status: int, sent: int, seconds: float) -> None:
        return None

    def grown(self) -> None:
        """There is more than before, or less: see whether it is too much."""
        self._again = True
        if not len(self._tasks):
            self._tasks.start(self._keep_to_size(), "evict")

    async def close(self) -> None:
        """Note what was of use and what has gone, and end."""
        await self._tasks.close()
        await self._note_use()

    async def _keep_to_size(self) -> None:
        while self._again:
            self._again = False
            await self._note_use()
            surplus = await self._catalog.database.read(records.total) - self._size
            while surplus > 0 and (gone := await self._evict(surplus)):
                surplus -= sum(size for _, _, size in gone)

    async def _evict(self, surplus: int) -> list[tuple[str, str, int]]:
        gone = await self._catalog.database.write(lambda c: records.evict(c, surplus, _STEP), frees_room=True)
        for repository, digest, _ in gone:
            self._catalog.forget(repository)
            await self._remove(digest)
        return gone

    async def _note_use(self) -> None:
        used, self._used = self._used, {}
        deleted, self._deleted = self._deleted, set()
        if deleted:
            await self._catalog.database.write(lambda c: records.forget_deleted(c, deleted), frees_room=True)
        if used:
            await self._catalog.database.write(lambda c: records.use(c, used), frees_room=True)
