"""Streams between the loop and threads: order, bounds, and an end on either side that the other hears of."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from havre.lib.relay import BrokenOffError, Outflow, inflow, settled


def _open(work: Callable[[Callable[[bytes], None]], None]) -> tuple[Outflow, asyncio.Event]:
    ended = asyncio.Event()
    return Outflow(work, ended.set, "test"), ended


async def test_chunks_come_out_in_order() -> None:
    def work(write: Callable[[bytes], None]) -> None:
        for number in range(100):
            write(b"%d" % number)

    stream, ended = _open(work)
    assert [int(chunk) async for chunk in stream] == list(range(100))
    await ended.wait()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_an_error_comes_after_what_was_before_it() -> None:
    def work(write: Callable[[bytes], None]) -> None:
        write(b"first")
        raise ZeroDivisionError

    stream, ended = _open(work)
    assert await anext(stream) == b"first"
    with pytest.raises(ZeroDivisionError):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await ended.wait()


async def test_the_writer_is_held_back() -> None:
    written = 0

    def work(write: Callable[[bytes], None]) -> None:
        nonlocal written
        for _ in range(50):
            write(b"x")
            written += 1

    stream, ended = _open(work)
    await anext(stream)
    await asyncio.sleep(0.05)
    assert written <= 5
    async for _ in stream:
        pass
    await ended.wait()
    assert written == 50


@pytest.mark.parametrize("read", [0, 3])
async def test_a_reader_that_leaves_ends_the_writer(read: int) -> None:
    told: list[type[BaseException]] = []

    def work(write: Callable[[bytes], None]) -> None:
        try:
            while True:
                write(b"x")
        except BaseException as error:
            told.append(type(error))
            raise

    stream, ended = _open(work)
    for _ in range(read):
        await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(ended.wait(), 10)
    assert told == [BrokenOffError]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_made_for_nobody_is_discarded(fails: bool) -> None:
    going, discarded = threading.Event(), list[int]()

    def work() -> int:
        going.wait()
        return 1 // 0 if fails else 7

    task = asyncio.ensure_future(settled(work, discarded.append))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done(), "it waits for the work"
    going.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert discarded == ([] if fails else [7])


async def test_what_was_made_for_somebody_is_his() -> None:
    discarded: list[int] = []
    assert await settled(lambda: 7, discarded.append) == 7
    with pytest.raises(ZeroDivisionError):
        await settled(lambda: 1 // 0, discarded.append)
    assert discarded == []


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b"%d " % number
        yield b""


async def test_chunks_go_in_in_order() -> None:
    def work(source: Iterator[bytes]) -> tuple[bytes, str]:
        return b"".join(source), threading.current_thread().name

    data, thread = await inflow(_chunks(100), work, "own")
    assert data.split() == [b"%d" % number for number in range(100)]
    assert thread == "own"


async def test_work_that_ends_early_is_not_waited_on() -> None:
    endless_seen = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal endless_seen
        while True:
            endless_seen += 1
            yield b"x"

    def work(source: Iterator[bytes]) -> bytes:
        return next(source)

    assert await asyncio.wait_for(inflow(endless(), work, "t"), 10) == b"x"
    assert endless_seen < 1000


@pytest.mark.parametrize("size", [1, 1 << 20])
async def test_the_sender_is_held_back(size: int) -> None:
    go = threading.Event()
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 1
            yield bytes(size)

    def work(source: Iterator[bytes]) -> int:
        go.wait(10)
        return sum(map(len, source))

    task = asyncio.create_task(inflow(chunks(), work, "t"))
    await asyncio.sleep(0.05)
    assert sent < 100
    go.set()
    assert await task == 200 * size


async def test_errors_of_the_work_come_back() -> None:
    def work(source: Iterator[bytes]) -> None:
        next(source)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await inflow(_chunks(1000), work, "t")


async def test_a_sender_that_fails_ends_the_work() -> None:
    told: list[type[BaseException]] = []

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    def work(source: Iterator[bytes]) -> None:
        try:
            for _ in source:
                pass
        except BaseException as error:
            told.append(type(error))
            raise

    with pytest.raises(ConnectionResetError):
        await inflow(failing(), work, "t")
    assert told == [BrokenOffError]


async def test_cancelling_ends_the_work_first() -> None:
    ended = threading.Event()
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(1000)

    def work(source: Iterator[bytes]) -> None:
        try:
            for _ in source:
                loop.call_soon_threadsafe(started.set)
        finally:
            ended.set()

    task = asyncio.ensure_future(inflow(slow(), work, "t"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
