"""Garbage collection, while the registry serves: there is no mark phase that would have to see the world stand still.

What a manifest names is in the catalog, changed in the same transaction as the manifest, so one statement finds what
nothing names. It goes in small steps, each consistent by itself: first a repository loses the blob (one transaction),
then, with the digest's turn, content that no repository has any more is removed. Killed in between, content is left
that nobody has; the walk through the storage at the end of the next collection finds it.

What must not go though nothing names it yet: what was pushed or mounted within the grace, and what a client was told is
there (``leases``).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Set
from dataclasses import dataclass, field

from havre.errors import HavreError
from havre.lib.tasks import TaskOwner
from havre.registry.app import Registry
from havre.registry.identity import Identity
from havre.registry.manifestcache import Manifest
from havre.registry.seams import Event
from havre.registry.upkeep import garbage
from havre.registry.upkeep.garbage import Link, Place
from havre.registry.upkeep.retention import Decision, decide, rule_for
from havre.registry.upkeep.settings import Upkeep
from havre.store.db import Connection

log = logging.getLogger(__name__)

_STEP = 200
COLLECTOR = Identity("garbage collection")


@dataclass(slots=True)
class Report:
    """What was removed, or would be: tags and manifests with their repository and reason, blobs that repositories had,
    and the bytes of content."""

    uploads: int = 0
    tags: list[tuple[str, Decision]] = field(default_factory=list)
    manifests: list[tuple[str, Decision]] = field(default_factory=list)
    blobs: list[Link] = field(default_factory=list)
    contents: int = 0
    bytes: int = 0

    def add(self, freed: int) -> None:
        """Count content of ``freed`` bytes; 0 is none."""
        self.contents += freed > 0
        self.bytes += freed


class Collector:
    """Collects the garbage of one registry, one collection at a time."""

    def __init__(self, registry: Registry, settings: Upkeep, cached: Callable[[str], bool]) -> None:
        self._registry = registry
        self._catalog = registry.catalog
        self._storage = registry.storage
        self._settings = settings
        self._leases = registry.leases
        self._cached = cached
        self._turn = asyncio.Lock()
        self._tasks = TaskOwner("garbage collection")

    async def start(self) -> None:
        """Put away uploads nobody comes back for; then collect now and then, as the settings say."""
        await self._registry.uploads.sweep(self._settings.gc.uploads)
        if self._settings.gc.interval:
            self._tasks.start(self._forever(), "periodic")

    async def close(self) -> None:
        """Break off, between two steps."""
        await self._tasks.close()

    async def collect(self, *, dry: bool = False) -> Report:
        """Remove what is of no use; with ``dry`` only tell. Waits for a collection that is under way."""
        async with self._turn:
            report = Report()
            report.uploads = await self._registry.uploads.sweep(self._settings.gc.uploads, dry=dry)
            await self._retain(report, dry)
            await self._unlink(report, dry)
            await self._sweep(report, dry)
            return report

    async def remove_content(self, digest: str) -> int:
        """Remove content if no repository has it; the bytes it held."""
        async with self._registry.turns.of(digest):
            if not await self._catalog.database.read(lambda c: garbage.nobodys(c, [digest])):
                return 0
            return await self._storage.delete(digest)

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.gc.interval)
            try:
                report = await self.collect()
                log.info("garbage collection removed %d bytes in %d blobs", report.bytes, report.contents)
            except Exception as error:
                # Whatever it was, the next one may succeed; without any the disk fills up.
                log.error("garbage collection failed: %s", error, exc_info=not isinstance(error, HavreError))

    # -- retention ----------------------------------------------------------------------------------------------------

    async def _retain(self, report: Report, dry: bool) -> None:
        database = self._catalog.database
        for repository in await database.read(garbage.repositories):
            rule = rule_for(self._settings.rules, repository)
            if rule is None or self._cached(repository):
                continue
            now = time.time()
            tags, manifests = await database.read(lambda c, of=repository: garbage.facts(c, of))  # type: ignore[misc]
            decisions = await asyncio.to_thread(decide, rule, tags, manifests, now)
            if not dry:
                decisions = await self._carry_out(repository, decisions, now)
            report.tags += [(repository, each) for each in decisions if each.tag]
            report.manifests += [(repository, each) for each in decisions if not each.tag]

    async def _carry_out(self, repository: str, decisions: list[Decision], now: float) -> list[Decision]:
        def change(connection: Connection) -> list[tuple[Decision, Manifest]]:
            return garbage.carry_out(connection, repository, decisions, now, self._leases.held)

        if not decisions:
            return []
        gone = await self._catalog.change(repository, change, frees_room=True)
        for decision, manifest in gone:
            event = Event(
                happening="deleted",
                kind="manifest",
                repository=repository,
                digest=decision.digest,
                tag=decision.tag,
                media_type=manifest.media_type,
                size=manifest.size,
                identity=COLLECTOR,
            )
            for observer in self._registry.observers:
                observer.told(event)
        return [decision for decision, _ in gone]

    # -- blobs --------------------------------------------------------------------------------------------------------

    async def _unlink(self, report: Report, dry: bool) -> None:
        """Take blobs that nothing names from their repositories, and content that nobody has from the storage."""
        doomed = {(repository, decision.digest) for repository, decision in report.manifests} if dry else set()
        place: Place | None = garbage.START
        while place is not None:
            links, place = await self._step(place, dry, doomed)
            report.blobs += links
            for link in links:
                report.add(0 if dry else await self.remove_content(link.digest))
        if dry:
            shared = Counter(link.digest for link in report.blobs)
            sizes = {link.digest: link.size for link in report.blobs}
            for digest in await self._catalog.database.read(lambda c: garbage.only_so_often(c, shared)):
                report.add(sizes[digest])

    async def _step(self, after: Place, dry: bool, doomed: Set[tuple[str, str]]) -> tuple[list[Link], Place | None]:
        horizon = time.time() - self._settings.gc.grace

        def step(connection: Connection) -> tuple[list[Link], Place | None]:
            found = garbage.unnamed(connection, after, horizon, _STEP, doomed)
            # Asked here, on the database's thread: a client is told what is there only behind this, or has its lease.
            going = [each for each in found if not self._kept(each)]
            if not dry:
                garbage.unlink(connection, going)
            following = (found[-1].number, found[-1].digest) if len(found) == _STEP else None
            return going, following

        database = self._catalog.database
        return await (database.read(step) if dry else database.write(step, frees_room=True))

    def _kept(self, link: Link) -> bool:
        return self._leases.held(link.repository, link.digest) or self._cached(link.repository)

    async def _sweep(self, report: Report, dry: bool) -> None:
        """Remove content that no repository has: of pushes cut short, of collections killed between two steps."""
        async for contents in self._old_contents():
            digests = list(contents)
            for digest in await self._catalog.database.read(lambda c, of=digests: garbage.nobodys(c, of)):  # type: ignore[misc]
                report.add(contents[digest] if dry else await self.remove_content(digest))

    async def _old_contents(self) -> AsyncIterator[dict[str, int]]:
        """Content older than the grace, in handfuls: digest and bytes."""
        horizon = time.time() - self._settings.gc.grace
        handful: dict[str, int] = {}
        seen = 0
        async for digest, size, committed in self._storage.contents():
            seen += 1
            if committed < horizon:
                handful[digest] = size
            if seen % _STEP == 0:
                yield handful
                handful = {}
                # Listing files waits for nothing: others must have their turn.
                await asyncio.sleep(0)
        yield handful
