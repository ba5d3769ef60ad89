"""The output of one running process, handed to everybody who is attached, and their input to it.

One connection to conmon serves all clients of a container, because conmon closes the container's stdin when a
connection ends: a client that only listens must be able to leave. The slowest client sets the pace, as it does in
Docker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre.errors import NotFound
from havre.lib.tasks import TaskOwner
from havre.runtime.stdio import StdioSocket
from havre.wire import stdcopy

Write = Callable[[bytes], Awaitable[None]]


@dataclass(eq=False, slots=True)
class Listener:
    """One client's ears: which streams it wants, framed or not. ``ended`` is set when no more will come."""

    write: Write
    stdout: bool
    stderr: bool
    multiplex: bool
    ended: asyncio.Event

    @property
    def form(self) -> tuple[bool, bool, bool]:
        return self.stdout, self.stderr, self.multiplex


class Hub:
    """The stdio of one process. ``open`` it before the process starts, or nothing of the beginning is seen."""

    def __init__(self, bundle: Path, tasks: TaskOwner, keep_open: bool) -> None:
        self._bundle = bundle
        self._tasks = tasks
        # Closing our connection would close a stdin that is meant to be read once.
        self._keep_open = keep_open
        self._socket: StdioSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._ended = False
        # The process has ended; what conmon still has of its output is taken as ``_rest`` while clients are written to.
        self._hurried = False
        self._giving = False
        self._rest: asyncio.Task[list[bytes]] | None = None

    def open(self) -> None:
        """Connect to conmon unless that is done. ``NotFound`` when the process has ended."""
        if self._ended:
            raise NotFound("the container is not running")
        if self._socket is None:
            self._socket = StdioSocket.connect(self._bundle)
            self._task = self._tasks.start(self._pump(self._socket), f"stdio of {self._bundle.name[:12]}")

    def listen(self, listener: Listener) -> None:
        """Give ``listener`` what comes from now on."""
        if self._ended:
            listener.ended.set()
        else:
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Give ``listener`` nothing more; the last one out lets the connection go where that is harmless."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        listener.ended.set()
        if not self._listeners and not self._keep_open and self._socket is not None and not self._ended:
            reading = [task for task in (self._task, self._rest) if task is not None]
            self._tasks.start(_let_go(self._socket, reading), f"end of stdio of {self._bundle.name[:12]}")
            self._socket = self._task = self._rest = None

    async def send(self, data: bytes) -> None:
        """Write to the process's stdin. ``ConnectionError`` when it has ended."""
        if self._socket is None or self._ended:
            raise ConnectionResetError("the container is not running")
        await self._socket.write(data)

    def end_input(self) -> None:
        """Close the process's stdin."""
        if self._socket is not None and not self._ended:
            self._socket.end_input()

    def hurry(self) -> None:
        """The process has ended: take the rest of its output at once, so that conmon can end however slow clients are.

        It is no more than what the kernel held in pipe and socket.
        """
        self._hurried = True
        if self._giving and self._rest is None and self._socket is not None:
            self._rest = self._tasks.start(_all(self._socket), f"rest of {self._bundle.name[:12]}")

    async def _pump(self, socket: StdioSocket) -> None:
        try:
            while self._socket is socket and (packets := await self._next(socket)):
                self._giving = True
                await self._give(packets)
                self._giving = False
        finally:
            if self._socket is socket:
                self._ended = True
                self._socket = None
                socket.close()
                for listener in self._listeners:
                    listener.ended.set()
                self._listeners.clear()

    async def _next(self, socket: StdioSocket) -> list[bytes]:
        """More output; an empty list at its end."""
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return await rest
        packets = await socket.read()
        return packets + await _all(socket) if packets and self._hurried else packets

    async def _give(self, packets: Sequence[bytes]) -> None:
        listeners = list(self._listeners)
        forms = {listener.form: b"" for listener in listeners}
        for form in forms:
            forms[form] = render(packets, *form)
        for listener in listeners:
            data = forms[listener.form]
            if not data:
                continue
            try:
                await listener.write(data)
            except (ConnectionError, OSError):
                self.leave(listener)
                if self._socket is None:
                    return


async def _let_go(socket: StdioSocket, reading: Collection["asyncio.Task[Any]"]) -> None:
    """Close it when nobody waits on it any more: its descriptor is then another's."""
    for task in reading:
        task.cancel()
    await asyncio.wait(reading)
    socket.close()


async def _all(socket: StdioSocket) -> list[bytes]:
    """All packets up to the end of the stream."""
    everything: list[bytes] = []
    while packets := await socket.read():
        everything += packets
    return everything


def render(packets: Sequence[bytes], stdout: bool, stderr: bool, multiplex: bool) -> bytes:
    """conmon's packets as the bytes a client gets: frames or plain, of the streams it wants."""
    parts: list[bytes | memoryview] = []
    for packet in packets:
        kind = packet[0]
        if (stdout if kind == 2 else stderr if kind == 3 else False) and len(packet) > 1:
            if multiplex:
                parts.append(stdcopy.header(kind - 1, len(packet) - 1))
            parts.append(memoryview(packet)[1:])
    return b"".join(parts)


class Hubs:
    """The hubs of all running processes, and those who wait for a container to start."""

    def __init__(self) -> None:
        self._tasks = TaskOwner("stdio")
        self._hubs: dict[str, Hub] = {}
        self._waiting: dict[str, list[tuple[Listener, asyncio.Future[Hub]]]] = {}

    def get(self, key: str) -> Hub | None:
        return self._hubs.get(key)

    def started(self, key: str, bundle: Path, keep_open: bool) -> None:
        """A process exists and has not run yet: those who wait for it get its hub, open."""
        hub = self._hubs[key] = Hub(bundle, self._tasks, keep_open)
        waiting = [(listener, future) for listener, future in self._waiting.pop(key, []) if not future.done()]
        # They listen before the connection is made, so that not even the first byte passes them by.
        for listener, _ in waiting:
            hub.listen(listener)
        if waiting or keep_open:
            hub.open()
        for _, future in waiting:
            future.set_result(hub)

    def hurry(self, key: str) -> None:
        """The process has ended: see ``Hub.hurry``."""
        hub = self._hubs.get(key)
        if hub is not None:
            hub.hurry()

    def new(self, bundle: Path) -> Hub:
        """A hub for an exec, kept by its owner."""
        return Hub(bundle, self._tasks, keep_open=True)

    def expect(self, key: str, listener: Listener) -> "asyncio.Future[Hub]":
        """Let ``listener`` hear a container that is not running from its first byte; the future gives its hub then."""
        future: asyncio.Future[Hub] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, [])
        waiting[:] = [one for one in waiting if not one[1].done()]
        waiting.append((listener, future))
        return future

    def give_up(self, key: str) -> None:
        """The container will not start: the futures of those who wait are cancelled."""
        for _, future in self._waiting.pop(key, []):
            future.cancel()

    def ended(self, key: str) -> None:
        """The process has ended, or will not run: nobody new joins it. Who listens gets the rest at its own pace."""
        self._hubs.pop(key, None)

    async def close(self) -> None:
        await self._tasks.close()
