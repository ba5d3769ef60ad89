"""Logs: ``GET /containers/{id}/logs``, and what of a container's life the log writer has to know."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.engine.container.wait import NEXT_EXIT, Waiter, Waits
from havre.engine.options import LogOptions
from havre.errors import HavreError, InvalidParameter, SystemFault
from havre.kernel import inotify
from havre.lib.tasks import TaskOwner
from havre.logs import Facts, LogDriver, Selection
from havre.logs.drivers import ALL
from havre.logs.facts import details
from havre.logs.segments import NEWEST, rotated
from havre.logs.writing import Writer
from havre.runtime import conmon
from havre.store.layout import Layout

log = logging.getLogger(__name__)

# Seconds that a container's end waits until all it wrote is where its log driver says: as long as dockerd's does, but
# not for a log that is removed the next moment.
_PATIENCE, _PATIENCE_REMOVED = 10.0, 1.0
_SETTLE_PATIENCE = 2.0
_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class LogStream:
    """An open log: ``chunks`` are ready for the client, framed unless the container has a terminal."""

    tty: bool
    chunks: AsyncIterator[bytes]


def driver_of(container: Container) -> LogDriver:
    """The log driver of a container."""
    return ALL[container.host.log_config.type]


class Logs:
    """Opens logs, and tells the log writer of containers that start and end."""

    def __init__(self, registry: Registry, layout: Layout, waits: Waits) -> None:
        self._registry = registry
        self._layout = layout
        self._waits = waits
        self._writer = Writer(layout.log_lock, self._reopen)

    def start(self) -> None:
        """Tell the log writer of the containers of the last daemon."""
        for container in self._registry:
            unfinished = not container.state.running and self._unfinished(container)
            try:
                if container.state.running or unfinished:
                    self._open(container, fresh=False)
            except HavreError as error:
                log.error("the log of container %s cannot be written: %s", container.short_id, error)
            if unfinished:
                self._writer.end_soon(container.id)

    async def close(self) -> None:
        await self._writer.close()

    def path(self, container: Container) -> Path | None:
        """The file conmon is to write; None for none."""
        return driver_of(container).path(self._layout.container(container.id))

    async def begin(self, container: Container) -> None:
        """A container is about to be started. ``SystemFault`` in dockerd's words when its log cannot be kept."""
        try:
            # A new file is there in time; what connects, or has to finish what an earlier run left, is waited for.
            fresh = driver_of(container).connects or self._unfinished(container)
            answer = self._open(container, fresh=fresh)
            error = await answer if answer is not None and fresh else None
        except InvalidParameter as refused:
            error = refused.message
        if error is not None:
            self._writer.forget(container.id)
            raise SystemFault(f"failed to create task for container: failed to initialize logging driver: {error}")

    async def ended(self, container: Container) -> None:
        """conmon has ended: return when all it wrote is where the driver says, or that takes too long."""
        try:
            async with asyncio.timeout(_PATIENCE_REMOVED if container.host.auto_remove else _PATIENCE):
                await self._writer.end(container.id)
        except TimeoutError:
            log.warning("the log of container %s is still being written", container.short_id)

    def forget(self, container_id: str) -> None:
        """The container is gone, or will not run."""
        self._writer.forget(container_id)

    async def open(self, reference: str, options: LogOptions, framed: bool = True) -> LogStream:
        """The log of a container; ``InvalidParameter`` when neither stream is wanted."""
        container = self._registry.find(reference)
        directory = self._layout.container(container.id)
        settings = container.host.log_config.config or {}
        selection = Selection(
            stdout=options.stdout,
            stderr=options.stderr,
            since_ns=options.since_ns,
            until_ns=options.until_ns,
            timestamps=options.timestamps,
            tail=options.tail,
            framed=framed and not container.config.tty,
            prefix=details(facts(container), settings) if options.details else b"",
        )
        await self._settle(container)
        # What has come until now, and the watch from now on: nothing lies between.
        container = self._registry.current(container.id)
        follow = self.watch(container) if options.follow and container.state.running else None
        try:
            chunks = driver_of(container).read(directory, settings, selection, follow)
        except HavreError:
            if follow is not None:
                follow.close()
            raise
        return LogStream(container.config.tty, _closing(chunks, follow))

    def watch(self, container: Container) -> "_Watcher":
        """Be told of changes of a container's log, and of its end."""
        mask = inotify.MODIFY | inotify.CREATE | inotify.MOVED
        watch: inotify.Watch | None = None
        try:
            watch = inotify.Watch(self._layout.container(container.id), mask)
        except OSError as error:
            # The kernel gives each user so many (fs.inotify.max_user_instances), and no more.
            log.info("the log of %s is followed by looking at it: %s", container.short_id, error)
        return _Watcher(watch, self._waits.register(container, NEXT_EXIT))

    def _unfinished(self, container: Container) -> bool:
        """Whether what it wrote is not all where it belongs, though it has ended."""
        directory = self._layout.container(container.id)
        if driver_of(container).log_path(directory) is None:
            return False
        return (directory / NEWEST).exists() or bool(rotated(directory))

    def _open(self, container: Container, *, fresh: bool) -> "asyncio.Future[str | None] | None":
        options = container.host.log_config.config or {}
        plan = driver_of(container).plan(facts(container), options)
        if plan is None:
            return None
        answer = self._writer.open(container.id, self._layout.container(container.id), plan, fresh=fresh)

        def tell(answer: "asyncio.Future[str | None]") -> None:
            if not answer.cancelled() and (error := answer.result()) is not None:
                log.error("the log of container %s cannot be written: %s", container.short_id, error)

        answer.add_done_callback(tell)
        return answer

    async def _settle(self, container: Container) -> None:
        if not container.state.running:
            return
        try:
            async with asyncio.timeout(_SETTLE_PATIENCE):
                await self._writer.settle(container.id)
        except TimeoutError:
            # A flood, or a full disk: what is there by now is shown.
            return

    def _reopen(self, container_id: str) -> None:
        try:
            conmon.reopen_logs(self._layout.bundle(container_id))
        except (OSError, HavreError) as error:
            log.debug("the log of container %s cannot be opened again: %s", container_id[:12], error)


def log_path(container: Container, directory: Path) -> str:
    """``LogPath`` of inspect; "" when there is no file that others could read."""
    path = driver_of(container).log_path(directory) if container.state.started_at else None
    return str(path or "")


def facts(container: Container) -> Facts:
    """What a log may tell about its container."""
    return Facts(
        id=container.id,
        name=container.name,
        image=container.config.image,
        image_id=container.image,
        command=" ".join([container.path, *container.args]),
        created=container.created,
        environment=tuple(container.config.env or ()),
        labels=container.config.labels or {},
    )


class _Watcher:
    """A ``Follow`` over inotify; the container's end ends it."""

    def __init__(self, watch: inotify.Watch | None, waiter: Waiter) -> None:
        self._watch = watch
        self._waiter = waiter
        self._tasks = TaskOwner("follow")

    async def more(self) -> bool:
        if self._waiter.done:
            return False
        look = self._watch.changed() if self._watch is not None else asyncio.sleep(_LOOK)
        changed = self._tasks.start(look, "log")
        events: list[asyncio.Future[Any]] = [changed, self._waiter.future]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._tasks.close()
        return not self._waiter.done

    def close(self) -> None:
        self._waiter.cancel()
        if self._watch is not None:
            self._watch.close()


async def _closing(chunks: AsyncIterator[bytes], follow: _Watcher | None) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if follow is not None:
            follow.close()
