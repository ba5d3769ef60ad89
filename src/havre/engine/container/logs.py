"""Logs: ``GET /containers/{id}/logs``, and the rotation of what running containers write."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from havre.engine.container.record import RUNNING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.wait import NEXT_EXIT, Waiter, Waits
from havre.engine.options import LogOptions
from havre.errors import HavreError
from havre.kernel import inotify
from havre.lib.tasks import TaskOwner
from havre.logs import LogDriver, Selection
from havre.logs.drivers import ALL
from havre.runtime import conmon
from havre.store.layout import Layout

log = logging.getLogger(__name__)
_ROTATION_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class LogStream:
    """An open log: ``chunks`` are ready for the client, framed unless the container has a terminal."""

    tty: bool
    chunks: AsyncIterator[bytes]


def driver_of(container: Container) -> LogDriver:
    """The log driver of a container."""
    return ALL[container.host.log_config.type]


class Logs:
    """Opens logs and keeps them small."""

    def __init__(self, registry: Registry, layout: Layout, waits: Waits) -> None:
        self._registry = registry
        self._layout = layout
        self._waits = waits
        self._tasks = TaskOwner("log rotation")

    def start(self) -> None:
        """Begin rotating."""
        self._tasks.start(self._rotate_forever(), "rotate")

    async def close(self) -> None:
        await self._tasks.close()

    async def open(self, reference: str, options: LogOptions, framed: bool = True) -> LogStream:
        """The log of a container; ``InvalidParameter`` when neither stream is wanted."""
        container = self._registry.find(reference)
        selection = Selection(
            stdout=options.stdout,
            stderr=options.stderr,
            since_ns=options.since_ns,
            until_ns=options.until_ns,
            timestamps=options.timestamps,
            tail=options.tail,
            framed=framed and not container.config.tty,
            # The labels and variables that log options would name stand here; havre's drivers know no such options.
            prefix=b" " if options.details else b"",
        )
        driver = driver_of(container)
        follow = self.watch(container) if options.follow and container.state.running else None
        chunks = driver.read(self._layout.container(container.id), selection, follow)
        return LogStream(container.config.tty, _closing(chunks, follow))

    async def _rotate_forever(self) -> None:
        while True:
            await asyncio.sleep(_ROTATION_INTERVAL)
            for container in self._registry:
                if container.state.status != RUNNING:
                    continue
                try:
                    options = container.host.log_config.config or {}
                    if driver_of(container).rotate(self._layout.container(container.id), options):
                        conmon.reopen_logs(self._layout.bundle(container.id))
                except (OSError, HavreError) as error:
                    log.warning("cannot rotate the log of %s: %s", container.short_id, error)

    def watch(self, container: Container) -> "_Watcher":
        """Be told of changes of a container's log, and of its end."""
        mask = inotify.MODIFY | inotify.CREATE | inotify.MOVED
        watch = inotify.Watch(self._layout.container(container.id), mask)
        return _Watcher(watch, self._waits.register(container, NEXT_EXIT))


class _Watcher:
    """A ``Follow`` over inotify; the container's end ends it."""

    def __init__(self, watch: inotify.Watch, waiter: Waiter) -> None:
        self._watch = watch
        self._waiter = waiter
        self._tasks = TaskOwner("follow")

    async def more(self) -> bool:
        if self._waiter.done:
            return False
        changed = self._tasks.start(self._watch.changed(), "log")
        events: list[asyncio.Future[Any]] = [changed, self._waiter.future]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._tasks.close()
        return not self._waiter.done

    def close(self) -> None:
        self._waiter.cancel()
        self._watch.close()


async def _closing(chunks: AsyncIterator[bytes], follow: _Watcher | None) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if follow is not None:
            follow.close()
