"""Stats: what a container uses, once or every second. ``GET /containers/{id}/stats``.

A container that somebody listens to is looked at once a second, however many listen; one that nobody listens to, never.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

from havre.engine.container import statsdocument
from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.engine.container.statsdocument import Sample
from havre.errors import InvalidParameter, NotFound
from havre.kernel import cgroupstats, hostinfo, netcounters, pidfd
from havre.kernel.cgroups import Cgroups
from havre.lib.tasks import TaskOwner

Json = dict[str, Any]
Sampler = Callable[[Container, bool], Sample | None]

_INTERVAL = 1.0
# How often a namespace may be borrowed from a container that has borrowed it.
_BORROWERS = 16


class _Feed:
    """What is seen of one container, for all who listen. ``listeners`` counts them."""

    def __init__(self) -> None:
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None
        self._fresh: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    async def next(self) -> Json:
        """The next document; ``NotFound`` when the container is gone."""
        # Each who waits may be cancelled; the others wait on.
        return await asyncio.shield(self._fresh)

    def publish(self, document: Json) -> None:
        done, self._fresh = self._fresh, asyncio.get_running_loop().create_future()
        done.set_result(document)

    def end(self, error: Exception) -> None:
        """Let whoever waits, or comes later, fail with ``error``."""
        self._fresh.set_exception(error)
        # Nobody may be waiting just now.
        self._fresh.exception()


class Stats:
    """Looks at containers. ``memory`` is that of the host: the limit of a container that has none."""

    def __init__(
        self,
        registry: Registry,
        cgroups: Cgroups,
        memory: int,
        sample: Sampler | None = None,
        interval: float = _INTERVAL,
    ) -> None:
        self._registry = registry
        self._memory = memory
        self._sample = sample or (lambda container, networked: look(cgroups, container, networked))
        self._interval = interval
        self._feeds: dict[str, _Feed] = {}
        self._tasks = TaskOwner("stats")
        # Threads of their own: an export that takes all the others for minutes must not stop the clock here.
        self._threads = ThreadPoolExecutor(2, "havre-stats")

    async def now(self, reference: str) -> Json:
        """One look, without an earlier one to compare with."""
        return await self._look(self._registry.find(reference))

    async def compared(self, reference: str) -> Json:
        """Two looks, a second apart. A container that does not run is told of at once, with empty numbers."""
        container = self._registry.find(reference)
        if not container.state.running:
            return await self._look(container)
        async with self._listening(container.id) as feed:
            while True:
                document = await feed.next()
                if not statsdocument.running(document) or statsdocument.compared(document):
                    return document

    def stream(self, reference: str) -> AsyncGenerator[Json]:
        """A document a second until the container is removed, each with the numbers of the one before."""
        return self._stream(self._registry.find(reference).id)

    @property
    def watched(self) -> int:
        """How many containers are looked at now."""
        return len(self._feeds)

    async def close(self) -> None:
        """Stop looking."""
        await self._tasks.close()
        self._threads.shutdown(wait=False)

    async def _stream(self, container_id: str) -> AsyncGenerator[Json]:
        async with self._listening(container_id) as feed:
            with suppress(NotFound):
                # A reader that is slow misses documents: it waits for the next after the one it has read.
                while True:
                    yield await feed.next()

    @asynccontextmanager
    async def _listening(self, container_id: str) -> AsyncIterator[_Feed]:
        feed = self._feeds.get(container_id)
        if feed is None:
            feed = self._feeds[container_id] = _Feed()
            feed.task = self._tasks.start(self._watch(container_id, feed), f"look at {container_id[:12]}")
        feed.listeners += 1
        try:
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners and feed.task is not None:
                self._forget(container_id, feed)
                feed.task.cancel()

    def _forget(self, container_id: str, feed: _Feed) -> None:
        if self._feeds.get(container_id) is feed:
            del self._feeds[container_id]

    async def _watch(self, container_id: str, feed: _Feed) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        document: Json | None = None
        while True:
            try:
                found = await self._look(self._registry.current(container_id))
            except Exception as error:
                # The container is gone, or something is wrong: whoever listens is to know, and nobody else comes in.
                self._forget(container_id, feed)
                feed.end(error)
                return
            document = statsdocument.with_previous(found, document)
            feed.publish(document)
            # After a stall not twice in a row: both looks would see the same.
            due = max(due + self._interval, loop.time() + self._interval / 2)
            await asyncio.sleep(due - loop.time())

    async def _look(self, container: Container) -> Json:
        sample = None
        if container.state.running:
            networked = self._has_network(container)
            # The kernel may take its time to add up what a busy group has used.
            loop = asyncio.get_running_loop()
            sample = await loop.run_in_executor(self._threads, self._sample, container, networked)
        return statsdocument.make(container, sample, self._memory)

    def _has_network(self, container: Container) -> bool:
        """Whether the interfaces it sees are a container's: those of the host are nobody's."""
        for _ in range(_BORROWERS):
            kind, _, lender = container.host.network_mode.partition(":")
            if kind != "container":
                return kind not in ("host", "none")
            try:
                container = self._registry.find(lender)
            except (NotFound, InvalidParameter):
                return False
        return False


def look(cgroups: Cgroups, container: Container, networked: bool) -> Sample | None:
    """The numbers of now; None when the container has ended. Blocks."""
    state = container.state
    try:
        usage = cgroupstats.read(cgroups, container.cgroup)
    except NotFound:
        return None
    networks = netcounters.of_process(state.pid) if networked else {}
    if pidfd.start_time(state.pid) != state.pid_start:
        return None
    return Sample(time.time_ns(), usage, hostinfo.processor_time(), networks)
