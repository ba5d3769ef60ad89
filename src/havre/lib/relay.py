"""Streams of bytes between the event loop and a thread that works on them, the faster side held back by the slower.

``Outflow`` carries what a thread makes to whoever iterates in the loop; ``inflow`` carries what the loop receives to a
thread. Each thread is its own and ends with its work: it may wait for a client for hours, and the loop's few threads
are for short work, such as what ``settled`` runs.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

# Chunks in flight: enough that neither side waits for the other's turn, few enough to bound the memory.
_AHEAD = 4
# Towards a thread, bytes in flight, and how many of them the thread takes between two words to the loop: each wakes it.
_MOST_AHEAD = 4 << 20
_ACKNOWLEDGED = 1 << 20
_LEAST_WEIGHT = 64 << 10  # that a chunk counts for


class BrokenOffError(Exception):
    """The other end went away; raised in the thread."""


class Outflow(AsyncIterator[bytes]):
    """The chunks that ``work`` hands to the function it is called with, in its own thread, begun at once.

    An error of ``work`` is raised to the reader after the chunks before it. The reader must call ``aclose`` unless it
    has read to the end; ``work`` then finds ``BrokenOffError`` at its next chunk. ``ended`` is called in the loop once
    the thread has ended, however it did.
    """

    def __init__(self, work: Callable[[Callable[[bytes], None]], None], ended: Callable[[], object], name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | BaseException] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._closed = False
        self._over = False
        self._work = work
        self._ended = ended
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        item = await self._queue.get()
        if isinstance(item, BaseException):
            self._over = True
            raise item
        self._room.release()
        return item

    async def aclose(self) -> None:
        """Stop reading."""
        self._over = self._closed = True
        self._room.release()

    def _run(self) -> None:
        end: BaseException = StopAsyncIteration()
        try:
            self._work(self._put)
        except BaseException as error:
            end = error
        self._tell(lambda: self._finish(end))

    def _finish(self, end: BaseException) -> None:
        self._queue.put_nowait(end)
        self._ended()

    def _put(self, chunk: bytes) -> None:
        self._room.acquire()
        if self._closed or not self._tell(lambda: self._queue.put_nowait(chunk)):
            raise BrokenOffError

    def _tell(self, what: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop is closed: the daemon ends
            return False
        return True


async def settled(work: Callable[[], T], discard: Callable[[T], object]) -> T:
    """Run ``work`` in one of the loop's threads and return what it makes.

    If this call is cancelled, the work is waited for all the same, and what it made is handed to ``discard``, in a
    thread too: nothing gets lost that must be closed.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if future.exception() is None:
            await loop.run_in_executor(None, discard, future.result())
        raise


async def apart(work: Callable[[], T], name: str) -> T:
    """Run ``work`` in a thread of its own, for which a daemon that ends does not wait: it may hang in the kernel.

    If this call is cancelled, the work goes on.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(how: Callable[..., None], value: object) -> None:
        if not result.done():
            how(value)

    def run() -> None:
        try:
            made = work()
        except BaseException as error:
            told: tuple[Callable[..., None], object] = result.set_exception, error
        else:
            told = result.set_result, made
        try:
            loop.call_soon_threadsafe(settle, *told)
        except RuntimeError:  # the loop is closed: the daemon ends
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await result


async def inflow(chunks: AsyncIterator[bytes], work: Callable[[Iterator[bytes]], T], name: str) -> T:
    """Run ``work`` in a thread over ``chunks`` as they come, and return what it does, or raise its error.

    When ``chunks`` fails or this call is cancelled, ``work`` finds ``BrokenOffError`` at its next chunk. This returns
    only when the thread has ended. ``work`` need not read to the end.
    """
    return await _Inflow[T](name).run(chunks, work)


class _Inflow(Generic[T]):
    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._ahead = 0
        self._room = asyncio.Event()
        self._result: asyncio.Future[T] = self._loop.create_future()

    async def run(self, chunks: AsyncIterator[bytes], work: Callable[[Iterator[bytes]], T]) -> T:
        self._result.add_done_callback(lambda _: self._room.set())
        threading.Thread(target=self._thread, args=(work,), name=self._name, daemon=True).start()
        try:
            async for chunk in chunks:
                if not chunk:
                    continue
                while self._ahead >= _MOST_AHEAD and not self._result.done():
                    self._room.clear()
                    await self._room.wait()
                if self._result.done():
                    break
                self._ahead += max(len(chunk), _LEAST_WEIGHT)
                self._queue.put(chunk)
        except BaseException:
            self._queue.put(None)
            await asyncio.wait([self._result])
            self._result.exception()
            raise
        self._queue.put(b"")
        return await self._finish()

    async def _finish(self) -> T:
        try:
            return await asyncio.shield(self._result)
        except asyncio.CancelledError:
            # What is left to do needs no more of the client: the thread comes to its end.
            await asyncio.wait([self._result])
            raise

    def _acknowledge(self, weight: int) -> None:
        self._ahead -= weight
        self._room.set()

    def _thread(self, work: Callable[[Iterator[bytes]], T]) -> None:
        try:
            result = work(self._source())
        except BaseException as error:
            self._settle(self._result.set_exception, error)
        else:
            self._settle(self._result.set_result, result)

    def _settle(self, how: Callable[..., None], value: object) -> None:
        try:
            self._loop.call_soon_threadsafe(how, value)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    def _source(self) -> Iterator[bytes]:
        taken = 0
        while chunk := self._queue.get():
            taken += max(len(chunk), _LEAST_WEIGHT)
            if taken >= _ACKNOWLEDGED:
                self._loop.call_soon_threadsafe(self._acknowledge, taken)
                taken = 0
            yield chunk
        if chunk is None:
            raise BrokenOffError
