"""Connections that leave HTTP: attach and exec, byte by byte."""

import asyncio
import random
import socket as sockets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from havre.engine.streams import Duplex
from havre.errors import Conflict, NotFound, SystemFault
from tests.api.talk import Client, Wire
from tests.fakes.engine import FakeEngine, FakeSession

ATTACH = "/v1.51/containers/x/attach?stream=1&stdin=1&stdout=1"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"

Run = Callable[[Duplex], Awaitable[None]]


async def echo(stream: Duplex) -> None:
    """Send everything back, and at the half-close how much it was."""
    total = 0
    while data := await stream.read():
        total += len(data)
        await stream.write(data)
    await stream.write(b"<%d>" % total)


def serve(engine: FakeEngine, run: Run, *, tty: bool = False) -> None:
    engine.answer("attach.prepare", FakeSession(run, tty))
    engine.answer("execs.prepare_start", FakeSession(run, tty))


async def attach(path: Path, target: str = ATTACH, headers: dict[str, str] | None = None) -> Wire:
    wire = await Wire.open(path)
    wire.request("POST", target, UPGRADE if headers is None else headers)
    return wire


async def test_upgrade(socket: Path, engine: FakeEngine) -> None:
    serve(engine, echo)
    wire = await attach(socket)
    status, reason, headers = await wire.head()
    assert (status, reason) == (101, "UPGRADED")
    assert headers == {"content-type": MULTIPLEXED, "connection": "Upgrade", "upgrade": "tcp"}
    wire.send(b"hello")
    assert await wire.reader.readexactly(5) == b"hello"
    wire.writer.write_eof()
    assert await wire.rest() == b"<5>"
    options = engine.asked("attach.prepare")[0]["options"]
    assert options.stdin and options.stdout and options.stream and not options.stderr and not options.logs
    assert options.multiplex


async def test_without_upgrade_it_is_a_plain_answer(socket: Path, engine: FakeEngine) -> None:
    serve(engine, echo)
    wire = await attach(socket, headers={})
    status, reason, headers = await wire.head()
    assert (status, reason, headers) == (200, "OK", {"content-type": RAW})
    wire.send(b"hello")
    wire.writer.write_eof()
    assert await wire.rest() == b"hello<5>"


@pytest.mark.parametrize(
    ("version", "tty", "kind"),
    [("1.51", False, MULTIPLEXED), ("1.42", False, MULTIPLEXED), ("1.41", False, RAW), ("1.51", True, RAW)],
)
async def test_content_type(socket: Path, engine: FakeEngine, version: str, tty: bool, kind: str) -> None:
    serve(engine, echo, tty=tty)
    wire = await attach(socket, f"/v{version}/containers/x/attach")
    assert (await wire.head())[2]["content-type"] == kind
    await wire.close()


@pytest.mark.parametrize("headers", [UPGRADE, {}])
async def test_stdin_sent_with_the_request_is_not_lost(
    socket: Path, engine: FakeEngine, headers: dict[str, str]
) -> None:
    """docker-py and scripts do not wait for the answer."""
    serve(engine, echo)
    wire = await Wire.open(socket)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    wire.send(f"POST {ATTACH} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: 0\r\n\r\nearly ".encode())
    wire.send(b"bird\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    wire.writer.write_eof()
    await wire.head()
    assert await wire.rest() == b"early bird\r\n\r\nGET / HTTP/1.1\r\n\r\n<32>"


async def test_stdin_cut_anywhere_is_not_lost(socket: Path, engine: FakeEngine) -> None:
    serve(engine, echo)
    message = (
        b"POST /v1.51/exec/e/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        b'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"Tty":false}stdin'
    )
    for cut in range(1, len(message), 7):
        wire = await Wire.open(socket)
        wire.send(message[:cut])
        await wire.writer.drain()
        await asyncio.sleep(0.002)
        wire.send(message[cut:])
        wire.writer.write_eof()
        assert (await wire.head())[0] == 101
        assert await wire.rest() == b"stdin<5>"
        await wire.close()


@pytest.mark.parametrize("seed", range(25))
async def test_requests_cut_anywhere_are_answered_the_same(socket: Path, engine: FakeEngine, seed: int) -> None:
    """Some may leave HTTP and are refused, some only look so, in their body or because they are not whole yet."""
    engine.fail("attach.prepare", NotFound("No such container: x"))
    engine.fail("volumes.create", Conflict("no"))
    attach = "POST /v1.51/containers/x/attach HTTP/1.1\r\nHost: x\r\n"
    lookalike = '{"Name":"\\r\\nPOST /containers/x/attach HTTP/1.1"}'
    create = f"Content-Type: application/json\r\nContent-Length: {len(lookalike)}\r\n\r\n{lookalike}"
    requests = [
        ("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (f"{attach}Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n", 404),
        (f"{attach}\r\n", 404),
        (f"{attach}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", 404),
        ("POST /containers/attach HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (f"POST /volumes/create HTTP/1.1\r\nHost: x\r\n{create}", 409),
        ("POST /exec/e/startle HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
    ]
    chance = random.Random(seed)
    chosen = chance.choices(requests, k=12)
    data = "".join(text for text, _ in chosen).encode()
    wire = await Wire.open(socket)
    while data:
        size = chance.choice((1, 3, 20, 100, 1000))
        wire.send(data[:size])
        data = data[size:]
        await asyncio.sleep(chance.choice((0, 0, 0.001)))
    async with asyncio.timeout(20):
        assert [(await wire.answer()).status for _ in chosen] == [status for _, status in chosen]
    await wire.close()


async def test_a_request_that_is_refused_leaves_the_connection_usable(socket: Path, engine: FakeEngine) -> None:
    engine.fail("attach.prepare", NotFound("No such container: x"))
    wire = await attach(socket)
    wire.request("GET", "/_ping")
    answer = await wire.answer()
    assert (answer.status, answer.message()) == (404, "No such container: x")
    assert (await wire.answer()).body == b"OK"
    await wire.close()


async def test_an_early_half_close_before_a_refusal(socket: Path, engine: FakeEngine) -> None:
    engine.fail("attach.prepare", Conflict("paused"))
    wire = await attach(socket)
    wire.writer.write_eof()
    assert (await wire.answer()).status == 409
    assert await wire.rest() == b""


async def test_errors_after_the_answer_go_into_the_stream(socket: Path, engine: FakeEngine) -> None:
    async def run(stream: Duplex) -> None:
        raise SystemFault("the runtime is gone")

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    assert await wire.rest() == b"the runtime is gone\r\n"


async def test_accidents_after_the_answer_end_the_stream(socket: Path, engine: FakeEngine) -> None:
    async def run(stream: Duplex) -> None:
        await stream.write(b"before")
        raise ZeroDivisionError

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    assert await wire.rest() == b"before"


async def test_the_client_gets_everything_though_its_stdin_was_not_read(socket: Path, engine: FakeEngine) -> None:
    """Closing a socket with unread data resets it; the client would report that instead of an exit code."""

    async def run(stream: Duplex) -> None:
        await stream.read()
        await stream.write(b"enough")
        await stream.write_eof()
        stream.close()

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    for _ in range(50):
        wire.send(b"y\n" * 1000)
    assert await wire.rest() == b"enough"
    for _ in range(50):
        wire.send(b"y\n" * 1000)
        await wire.writer.drain()
    wire.writer.write_eof()
    await wire.close()


async def test_the_run_is_cancelled_when_the_client_goes(socket: Path, engine: FakeEngine) -> None:
    ended = asyncio.Event()

    async def run(stream: Duplex) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            raise

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    wire.writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 10)


async def test_the_run_is_cancelled_when_a_half_closed_client_goes(socket: Path, engine: FakeEngine) -> None:
    """The docker CLI closes its half at once when it has no stdin; then only the kernel knows that it was killed."""
    half_closed, ended = asyncio.Event(), asyncio.Event()

    async def run(stream: Duplex) -> None:
        assert await stream.read() == b""
        half_closed.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    wire.writer.write_eof()
    await asyncio.wait_for(half_closed.wait(), 10)
    assert not ended.is_set()
    wire.writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 10)


async def test_writing_to_a_client_that_has_gone(socket: Path, engine: FakeEngine) -> None:
    outcome: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def run(stream: Duplex) -> None:
        try:
            while True:
                await stream.write(b"x" * 100_000)
        except BaseException as error:
            outcome.set_result(error)
            raise

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    wire.writer.transport.abort()
    error = await asyncio.wait_for(outcome, 10)
    assert isinstance(error, ConnectionError | asyncio.CancelledError)


async def test_a_slow_reader_holds_the_writer_back(socket: Path, engine: FakeEngine) -> None:
    written = 0

    async def run(stream: Duplex) -> None:
        nonlocal written
        for _ in range(1000):
            await stream.write(b"x" * 100_000)
            written += 100_000

    serve(engine, run)
    client = sockets.socket(sockets.AF_UNIX)
    client.connect(str(socket))
    client.sendall(f"POST {ATTACH} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    before = -1
    while written != before or not written:
        before = written
        await asyncio.sleep(0.2)
    assert written < 4_000_000
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    total = 0
    while data := await loop.sock_recv(client, 1 << 20):
        total += len(data)
    assert total == 100_000_000 + len(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
    client.close()


async def test_a_slow_taker_holds_the_client_back(socket: Path, engine: FakeEngine) -> None:
    go = asyncio.Event()

    async def run(stream: Duplex) -> None:
        await go.wait()
        await echo(stream)

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    loop = asyncio.get_running_loop()
    raw = wire.writer.get_extra_info("socket")
    sent = 0
    wire.writer.transport.pause_reading()
    descriptor = sockets.socket(fileno=sockets.dup(raw.fileno()))
    descriptor.setblocking(False)
    try:
        while True:
            try:
                sent += descriptor.send(b"y" * 65536)
            except BlockingIOError:
                await asyncio.sleep(0.1)
                try:
                    sent += descriptor.send(b"y" * 65536)
                except BlockingIOError:
                    break
        assert sent < 4_000_000
        go.set()
        wire.writer.transport.resume_reading()
        received = 0
        while received < sent:
            received += len(await wire.reader.read(1 << 20))
        descriptor.shutdown(sockets.SHUT_WR)
        assert await wire.rest() == b"<%d>" % sent
    finally:
        descriptor.close()
    assert loop.is_running()


async def test_many_small_writes_arrive_whole_and_in_order(socket: Path, engine: FakeEngine) -> None:
    async def run(stream: Duplex) -> None:
        for number in range(20_000):
            await stream.write(b"%d\n" % number)

    serve(engine, run)
    wire = await attach(socket)
    await wire.head()
    assert await wire.rest() == b"".join(b"%d\n" % number for number in range(20_000))


async def test_exec_start(socket: Path, engine: FakeEngine) -> None:
    serve(engine, echo)
    wire = await Wire.open(socket)
    headers = {**UPGRADE, "Content-Type": "application/json"}
    wire.request("POST", "/v1.51/exec/e/start", headers, b'{"Tty":false,"ConsoleSize":[1,2]}')
    assert (await wire.head())[0] == 101
    wire.send(b"in")
    wire.writer.write_eof()
    assert await wire.rest() == b"in<2>"
    start = engine.asked("execs.prepare_start")[0]["start"]
    assert start.console_size is None


async def test_exec_start_detached(client: Client, engine: FakeEngine) -> None:
    answer = await client.post("/exec/e/start", {"Detach": True, "Tty": False})
    assert (answer.status, answer.body) == (200, b"")
    assert engine.asked("execs.start")[0]["exec_id"] == "e"


async def test_exec_start_of_what_is_not_there(client: Client, engine: FakeEngine) -> None:
    engine.fail("execs.prepare_start", NotFound("No such exec instance: e"))
    answer = await client.post("/exec/e/start", {"Detach": False})
    assert (answer.status, answer.message()) == (404, "No such exec instance: e")
