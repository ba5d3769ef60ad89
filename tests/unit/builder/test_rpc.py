"""gRPC on a pair of connections: calls both ways, errors with their details, limits, and what is broken off."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from havre.builder.buildkit import statuses
from havre.builder.buildkit.messages.errors import Any, RpcStatus
from havre.builder.buildkit.messages.session import Bytes
from havre.builder.buildkit.rpc import LARGEST, Connection, Handler, Stream, ask, unary
from havre.builder.buildkit.statuses import RpcError, of_status
from havre.errors import NotFound

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGE = 9 << 20  # above every window


class Pipe:
    """One end of a pair."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.other: Pipe = self

    async def read(self) -> bytes:
        return await self.incoming.get()

    async def write(self, data: bytes) -> None:
        self.other.incoming.put_nowait(data)
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(handlers: Mapping[str, Handler]) -> AsyncIterator[tuple[Connection, Pipe]]:
    """A client's connection to a server with these handlers, and the client's end."""
    ours, theirs = Pipe(), Pipe()
    ours.other, theirs.other = theirs, ours
    client, server = Connection(ours, client=True), Connection(theirs, handlers)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(client.run()), group.create_task(server.run())]
        try:
            yield client, ours
        finally:
            ours.incoming.put_nowait(b"")
            theirs.incoming.put_nowait(b"")
            await asyncio.wait(running, timeout=10)


async def echo(message: Bytes, stream: Stream) -> Bytes:
    return message


async def test_large_messages_both_ways() -> None:
    async with connected({"/s/echo": unary(Bytes, echo)}) as (client, _):
        data = bytes(LARGE)
        assert (await ask(client, "/s/echo", Bytes(data), Bytes)).data == data
        answers = await asyncio.gather(*(ask(client, "/s/echo", Bytes(b"%d" % n), Bytes) for n in range(50)))
        assert [answer.data for answer in answers] == [b"%d" % n for n in range(50)]


async def test_streams() -> None:
    async def count(stream: Stream) -> None:
        assert stream.metadata["name"] == ["x", "y"]
        while (message := await stream.receive(Bytes)) is not None:
            await stream.send(Bytes(message.data * 2))
        await stream.send(Bytes(b"end"))

    async with connected({"/s/count": count}) as (client, _):
        stream = await client.call("/s/count", [("name", "x"), ("name", "y")])
        for data in (b"a", b"b"):
            await stream.send(Bytes(data))
            assert await stream.receive(Bytes) == Bytes(data * 2)
        await stream.end()
        assert await stream.receive(Bytes) == Bytes(b"end")
        assert await stream.receive(Bytes) is None


async def test_errors() -> None:
    detailed = of_status(RpcStatus(statuses.UNKNOWN, "it's 100 % broken: ä", [Any("type", b"value")]))

    async def missing(message: Bytes, stream: Stream) -> Bytes:
        raise NotFound("no such thing")

    async def broken(message: Bytes, stream: Stream) -> Bytes:
        raise detailed

    async with connected({"/s/missing": unary(Bytes, missing), "/s/broken": unary(Bytes, broken)}) as (client, _):
        for path, code, text in (
            ("/s/missing", statuses.NOT_FOUND, "no such thing"),
            ("/s/broken", statuses.UNKNOWN, "it's 100 % broken: ä"),
            ("/s/absent", statuses.UNIMPLEMENTED, "havre does not implement s/absent"),
        ):
            with pytest.raises(RpcError) as raised:
                await ask(client, path, Bytes(), Bytes)
            assert (raised.value.code, raised.value.message) == (code, text)


async def test_a_message_that_is_too_large_is_refused_before_it_is_read() -> None:
    async with connected({"/s/echo": unary(Bytes, echo)}) as (client, _):
        stream = await client.call("/s/echo")
        await client.send(stream, b"\0" + (LARGEST + 1).to_bytes(4, "big"))
        with pytest.raises(RpcError, match="larger than max") as raised:
            await stream.receive(Bytes)
        assert raised.value.code == statuses.EXHAUSTED
        stream = await client.call("/s/echo")
        await client.send(stream, b"\0\0\0\0\x01\xff")
        with pytest.raises(RpcError, match="Bytes: the message ends") as raised:
            await stream.receive(Bytes)


async def test_what_is_broken_off_ends_at_the_other_end() -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def forever(stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise

    async with connected({"/s/forever": forever}) as (client, _):
        stream = await client.call("/s/forever")
        await stream.send(Bytes(b"x"))
        await stream.cancel()
        assert await asyncio.wait_for(ended, 10) == "cancelled"


async def test_the_end_of_a_connection_ends_its_calls() -> None:
    async def forever(stream: Stream) -> None:
        await asyncio.Event().wait()

    async with connected({"/s/forever": forever}) as (client, pipe):
        stream = await client.call("/s/forever")
        pipe.incoming.put_nowait(b"")
        with pytest.raises(RpcError, match="closed the connection") as raised:
            await stream.receive(Bytes)
        assert raised.value.code == statuses.UNAVAILABLE
        with pytest.raises(RpcError):
            await client.call("/s/forever")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, PREFACE + b"\0\0\1\1\0\0\0\0\0\0"])
async def test_what_is_no_http2_ends_the_connection(data: bytes) -> None:
    pipe = Pipe()
    pipe.other = Pipe()
    pipe.incoming.put_nowait(data)
    await asyncio.wait_for(Connection(pipe, {}).run(), 10)
