"""Attach: ``POST /containers/{id}/attach``, to a running container or to one that is about to be started."""

import asyncio
from dataclasses import dataclass

from havre.engine.container import detach
from havre.engine.container.create import EventSink
from havre.engine.container.hub import Hubs, Listener
from havre.engine.container.logs import Logs
from havre.engine.container.record import PAUSED, Container
from havre.engine.container.registry import Registry
from havre.engine.container.session import converse
from havre.engine.options import AttachOptions, LogOptions
from havre.engine.streams import Duplex
from havre.errors import Conflict


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
            raise Conflict(f"Container {reference} is paused. Unpause the container before attach")
        if container.state.status == "restarting":
            raise Conflict(f"Container {reference} is restarting, wait until the container is running")
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
        container, options = self.container, self.options
        framed = options.multiplex and not self.tty
        try:
            if options.logs:
                await self._replay(stream)
            if not options.stream:
                return
            listener = Listener(stream.write, options.stdout, options.stderr, framed, asyncio.Event())
            self.events.publish("container", "attach", container.id, container.event_attributes())
            hub = self.hubs.get(container.id)
            if hub is None:
                waiting = self.hubs.expect(container.id, listener)
                try:
                    hub = await waiting
                except asyncio.CancelledError:
                    if waiting.cancelled() and not _being_cancelled():
                        return
                    raise
            else:
                hub.listen(listener)
                hub.open()
            current = hub

            def input_ended() -> None:
                # A terminal's client that detaches ends its input too; the next one to attach will type again.
                if container.config.stdin_once and not self.tty:
                    current.end_input()

            stdin = options.stdin and container.config.open_stdin
            detector = detach.Detector(self.keys) if stdin and self.tty else None
            if await converse(stream, hub, listener, stdin, detector, input_ended):
                self.events.publish("container", "detach", container.id, container.event_attributes())
        except (ConnectionError, OSError):
            # The client is gone: nobody is left to tell.
            return
        finally:
            await _finish(stream)

    async def _replay(self, stream: Duplex) -> None:
        wanted = LogOptions(stdout=self.options.stdout, stderr=self.options.stderr)
        log = await self.logs.open(self.container.id, wanted, framed=self.options.multiplex)
        async for chunk in log.chunks:
            await stream.write(chunk)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _finish(stream: Duplex) -> None:
    try:
        await stream.write_eof()
    except (ConnectionError, OSError):
        pass
    stream.close()
