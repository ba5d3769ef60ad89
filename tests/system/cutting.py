"""A bad line to a registry: a proxy that counts what it carries, and cuts or stops connections where it is told."""

import asyncio
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PIECE = 16 << 10
_FOREVER = 1 << 60
# What is said in short is some hundreds of bytes long; a whole layer is carried the other way.
_SHORT, _LONG = 500, 700_000


@dataclass
class BadLine:
    """``host`` is where it listens; ``carried`` counts bytes that came from the registry, or with ``upwards`` (for
    pushes) that went there, ``cuts`` what was cut.

    While ``cuts_left``, a connection is cut after a random number of bytes, one way or the other. ``stop_at`` lets
    nothing more through when so many bytes have been carried.
    """

    target: tuple[str, int]
    upwards: bool = False
    cuts_left: int = 0
    stop_at: int = _FOREVER
    host: str = ""
    carried: int = 0
    cuts: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(65))

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, onwards = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        layers, words = _FOREVER, _FOREVER
        if self.cuts_left:
            layers = self.chance.randrange(_LONG)
            if self.chance.random() < 0.2:
                words = self.chance.randrange(_SHORT)
        there, back = (reader, onwards), (upstream, writer)
        ways = [
            asyncio.create_task(self._pass(*(there if self.upwards else back), layers, self._count)),
            asyncio.create_task(self._pass(*(back if self.upwards else there), words, lambda size: None)),
        ]
        done, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if any(way.result() for way in done) and self.cuts_left:
            self.cuts_left -= 1
            self.cuts += 1
        for way in pending:
            way.cancel()
        for each in (writer, onwards):
            # Half of the cuts are resets, which take what is under way with them, half are an early end.
            if self.chance.random() < 0.5:
                each.transport.abort()
            each.close()

    def _count(self, size: int) -> None:
        self.carried += size

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int, count: Callable[[int], None]
    ) -> bool:
        """Carry ``budget`` bytes at most; True if there would have been more."""
        try:
            while data := await reader.read(_PIECE):
                count(len(data))
                writer.write(data[:budget])
                await writer.drain()
                budget -= len(data)
                if budget <= 0:
                    return True
                if self.carried >= self.stop_at:
                    await asyncio.Event().wait()
        except OSError:
            pass
        return False


@contextmanager
def bad_line(port: int, upwards: bool = False) -> Iterator[BadLine]:
    """A line to the registry at ``port`` of the loopback, good until told otherwise."""
    line = BadLine(("127.0.0.1", port), upwards)
    started: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
        line.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        end = asyncio.Event()
        started.put((asyncio.get_running_loop(), end))
        await end.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    loop, end = started.get()
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
