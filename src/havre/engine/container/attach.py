"""Attach: ``POST /containers/{id}/attach``, to a running container or to one that is about to be started."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from havre.engine.container import detach
from havre.engine.container.create import EventSink
from havre.engine.container.hub import Hub, Hubs, Listener, Write
from havre.engine.container.logs import Logs, LogStream
from havre.engine.container.record import PAUSED, RESTARTING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.session import converse
from havre.engine.options import AttachOptions, LogOptions
from havre.engine.streams import Duplex
from havre.errors import Conflict, NotFound, Unsupported
from havre.lib.tasks import TaskOwner, being_cancelled


class Attacher:
    """Prepares sessions; errors up to then can still be told as HTTP statuses."""

    def __init__(self, registry: Registry, hubs: Hubs, logs: Logs, events: EventSink) -> None:
        self._registry = registry
        self._hubs = hubs
        self._logs = logs
        self._events = events

    async def prepare(self, reference: str, options: AttachOptions) -> "AttachSession":
        """A session for the container; ``Conflict`` with Docker's text when it is paused."""
        container = self._registry.find(reference)
        if container.state.status == PAUSED:
            raise Conflict(f"container {reference} is paused, unpause the container before attach")
        if container.state.status == RESTARTING:
            raise Conflict(f"container {reference} is restarting, wait until the container is running")
        keys = detach.parse(options.detach_keys)
        return AttachSession(container, options, keys, self._hubs, self._logs, self._events)


@dataclass(slots=True)
class AttachSession:
    """One client's attachment."""

    container: Container
    options: AttachOptions
    keys: bytes
    hubs: Hubs
    logs: Logs
    events: EventSink

    @property
    def tty(self) -> bool:
        return self.container.config.tty

    async def run(self, stream: Duplex) -> None:
        """Serve the client until the container's output ends or it leaves; closes the stream."""
        container = self.container
        self.events.publish("container", "attach", container.id, container.event_attributes())
        try:
            hub = self.hubs.get(container.id)
            if not self.options.stream:
                await _copy(await self._log(), stream.write)
            elif hub is None:
                await self._await_start(stream)
            elif (log := await self._log(follow=True)) is not None:
                await self._follow(stream, hub, log)
            else:
                listener = self._listener(stream.write)
                hub.listen(listener)
                hub.open()
                await self._converse(stream, hub, listener)
        except (ConnectionError, OSError, NotFound):
            # The client is gone, or the container's process: nobody is left to tell, or nothing.
            return
        finally:
            await _finish(stream)

    async def _await_start(self, stream: Duplex) -> None:
        """The container does not run: what it wrote so far, and what it will from its first byte on."""
        told = asyncio.Event()

        async def write_behind_the_log(data: bytes) -> None:
            await told.wait()
            await stream.write(data)

        listener = self._listener(write_behind_the_log)
        waiting = self.hubs.expect(self.container.id, listener)
        try:
            # What is written from now on comes from the container itself.
            await _copy(await self._log(until=time.time_ns()), stream.write)
            told.set()
            hub = await waiting
        except asyncio.CancelledError:
            if waiting.cancelled() and not being_cancelled():
                return
            raise
        finally:
            told.set()
            waiting.cancel()
        await self._converse(stream, hub, listener)

    async def _follow(self, stream: Duplex, hub: Hub, log: LogStream) -> None:
        """The container runs: all its output comes from the log, since where that and the stream meet is not known."""
        silent = Listener(stream.write, False, False, False, asyncio.Event())
        hub.listen(silent)
        try:
            hub.open()
        except NotFound:
            # It has just ended: all it wrote is in the log.
            silent.ended.set()
        tasks = TaskOwner("attach")
        replaying = tasks.start(_copy_until_gone(log, stream.write, silent), self.container.short_id)
        try:
            if not await self._converse(stream, hub, silent):
                await replaying
        finally:
            await tasks.close()

    async def _log(self, until: int | None = None, follow: bool = False) -> LogStream | None:
        """The log up to a moment, or to the container's end; None when it is not wanted or cannot be read."""
        options = self.options
        if not options.logs or not (options.stdout or options.stderr):
            return None
        wanted = LogOptions(options.stdout, options.stderr, until_ns=until, follow=follow)
        try:
            return await self.logs.open(self.container.id, wanted, framed=options.multiplex)
        except Unsupported:
            return None

    def _listener(self, write: Write) -> Listener:
        options = self.options
        return Listener(write, options.stdout, options.stderr, options.multiplex and not self.tty, asyncio.Event())

    async def _converse(self, stream: Duplex, hub: Hub, listener: Listener) -> bool:
        """Carry bytes to the end; True when the client has typed the detach keys."""
        container = self.container

        def input_ended() -> None:
            # A terminal's client that detaches ends its input too; the next one to attach will type again.
            if container.config.stdin_once and not self.tty:
                hub.end_input()

        stdin = self.options.stdin and container.config.open_stdin
        detector = detach.Detector(self.keys) if stdin and self.tty else None
        detached = await converse(stream, hub, listener, stdin, detector, input_ended)
        if detached:
            self.events.publish("container", "detach", container.id, container.event_attributes())
        return detached


async def _copy(log: LogStream | None, write: Write) -> None:
    if log is not None:
        async with aclosing(cast(AsyncGenerator[bytes, None], log.chunks)) as chunks:
            async for chunk in chunks:
                await write(chunk)


async def _copy_until_gone(log: LogStream, write: Write, listener: Listener) -> None:
    """A client that is gone is no listener any more."""
    try:
        await _copy(log, write)
    except (ConnectionError, OSError):
        listener.ended.set()


async def _finish(stream: Duplex) -> None:
    try:
        await stream.write_eof()
    except (ConnectionError, OSError):
        pass
    stream.close()
