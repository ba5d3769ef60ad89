"""Attach over a WebSocket."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from havre.engine.streams import Duplex
from havre.errors import NotFound
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine, FakeSession


async def echo(stream: Duplex) -> None:
    while data := await stream.read():
        await stream.write(b"<" + data + b">")


@pytest.mark.parametrize(("version", "kind"), [("1.51", aiohttp.WSMsgType.BINARY), ("1.27", aiohttp.WSMsgType.TEXT)])
async def test_echo(socket: Path, engine: FakeEngine, version: str, kind: aiohttp.WSMsgType) -> None:
    engine.answer("attach.prepare", FakeSession(echo))
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
        url = f"http://havre/v{version}/containers/x/attach/ws?stream=1&stdin=1&stdout=1"
        async with session.ws_connect(url) as connection:
            await connection.send_str("hello")
            message = await connection.receive(10)
            assert message.type is kind
            await connection.send_bytes(b"you")
            second = await connection.receive(10)
            assert [message.data, second.data] in ([b"<hello>", b"<you>"], ["<hello>", "<you>"])
    options = engine.asked("attach.prepare")[0]["options"]
    assert not options.multiplex and options.stdin and options.stdout
    assert options.stderr is (version == "1.27")


async def test_the_end_of_the_session_closes_the_socket(socket: Path, engine: FakeEngine) -> None:
    async def run(stream: Duplex) -> None:
        await stream.write(b"bye")
        await stream.write_eof()
        stream.close()

    engine.answer("attach.prepare", FakeSession(run))
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
        async with session.ws_connect("http://havre/containers/x/attach/ws?stream=1&stdout=1") as connection:
            assert (await connection.receive(10)).data == b"bye"
            assert (await connection.receive(10)).type is aiohttp.WSMsgType.CLOSE


async def test_the_run_is_cancelled_when_the_client_goes(socket: Path, engine: FakeEngine) -> None:
    ended = asyncio.Event()

    async def run(stream: Duplex) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    engine.answer("attach.prepare", FakeSession(run))
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
        async with session.ws_connect("http://havre/containers/x/attach/ws?stream=1") as connection:
            response = connection._response
            assert response.connection is not None and response.connection.transport is not None
            response.connection.transport.abort()
            await asyncio.wait_for(ended.wait(), 10)


async def test_errors_before_the_handshake_are_http(client: Client, engine: FakeEngine) -> None:
    engine.fail("attach.prepare", NotFound("No such container: x"))
    answer = await client.get("/containers/x/attach/ws?stream=1")
    assert (answer.status, answer.message()) == (404, "No such container: x")


async def test_what_is_no_handshake_is_refused(client: Client, engine: FakeEngine) -> None:
    engine.answer("attach.prepare", FakeSession(lambda _: asyncio.sleep(0)))
    answer = await client.get("/containers/x/attach/ws?stream=1")
    assert answer.status == 400 and "WebSocket" in answer.message()
