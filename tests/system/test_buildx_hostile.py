"""Clients of BuildKit's protocol that break it: nothing leaves the build's place, nothing stays, the daemon goes on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from havre.builder.buildkit import statuses
from havre.builder.buildkit.filepackets import bits_of
from havre.builder.buildkit.messages.control import Exporter, SolveRequest, SolveResponse
from havre.builder.buildkit.messages.session import DATA, FINISH, REQUEST, STAT, Packet, Stat
from havre.builder.buildkit.rpc import Connection, Handler, Stream, ask
from havre.builder.buildkit.statuses import RpcError
from tests.system.harness import PATIENCE, Havred, wait_until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FILE, DIRECTORY, LINK = bits_of(0o100644), bits_of(0o040755), bits_of(0o120777)
FILESYNC = "/moby.filesync.v1.FileSync/DiffCopy"
SOLVE = "/moby.buildkit.v1.Control/Solve"


class Wire:
    """A socket that has left HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(1 << 16)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


async def upgraded(engine: Havred, path: str, headers: str = "") -> Wire:
    reader, writer = await asyncio.open_unix_connection(str(engine.socket))
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{headers}\r\n"
    writer.write(head.encode())
    assert b"101" in (await reader.readuntil(b"\r\n\r\n"))
    return Wire(reader, writer)


@asynccontextmanager
async def client(engine: Havred, handlers: dict[str, Handler]) -> AsyncIterator[tuple[Connection, Wire]]:
    """A client whose session has these handlers; its connection to the daemon, and the session's."""
    session = await upgraded(engine, "/session", "X-Docker-Expose-Session-Uuid: hostile\r\n")
    control = await upgraded(engine, "/grpc")
    connection = Connection(control, client=True)
    tasks = [asyncio.ensure_future(connection.run()), asyncio.ensure_future(Connection(session, handlers).run())]
    try:
        yield connection, session
    finally:
        session.writer.close()
        control.writer.close()
        await asyncio.wait(tasks, timeout=PATIENCE)


def sends(packets: list[Packet]) -> Handler:
    """A file sender: an honest Dockerfile, then ``packets`` as the context."""

    async def handler(stream: Stream) -> None:
        if stream.metadata["dir-name"] == ["dockerfile"]:
            await _send(stream, [Packet(STAT, Stat("Dockerfile", FILE, size=30))], b"FROM busybox\nCOPY . /files\n")
        elif ".dockerignore" in stream.metadata.get("followpaths", []):
            await _send(stream, [], b"")
        else:
            await _send(stream, packets, b"content")

    return handler


async def _send(stream: Stream, packets: list[Packet], content: bytes) -> None:
    for packet in [*packets, Packet(STAT)]:
        await stream.send(packet)
    while (packet := await stream.receive(Packet)) is not None:
        if packet.type == REQUEST:
            await stream.send(Packet(DATA, id=packet.id, data=content))
            await stream.send(Packet(DATA, id=packet.id))
        elif packet.type == FINISH:
            await stream.send(Packet(FINISH))
            return


def request(**options: str) -> SolveRequest:
    attributes = {"filename": "Dockerfile", **options}
    return SolveRequest("ref", session="hostile", frontend="dockerfile.v0", attributes=attributes)


def told(path: str, mode: int = FILE, link: str = "") -> Packet:
    return Packet(STAT, Stat(path, mode, size=7, linkname=link))


@pytest.mark.parametrize(
    "packets",
    [
        [told("../../../../../../escaped")],
        [told("/tmp/escaped")],
        [told("out", LINK, "/tmp"), told("out/escaped")],
        [told("out", LINK, "/etc/passwd"), told("x", FILE, "out")],
        [told("x", FILE, "/etc/shadow")],
        [told("d", DIRECTORY), told("d", LINK, "/tmp"), told("d/escaped")],
        [Packet(DATA, id=5, data=b"x")],
    ],
)
async def test_files_that_lead_out(havred: Havred, packets: list[Packet]) -> None:
    async with client(havred, {FILESYNC: sends(packets)}) as (connection, _):
        with pytest.raises(RpcError) as raised:
            await ask(connection, SOLVE, request(), SolveResponse)
        assert raised.value.code == statuses.INVALID, raised.value
    assert not Path("/tmp/escaped").exists() and not Path("/escaped").exists()


async def test_an_honest_one(havred: Havred) -> None:
    """The same client builds: so it is the packets that the others are refused for."""
    message = request()
    message.exporters = [Exporter("moby", {"name": "hostile:1"})]
    packets = [told("d", DIRECTORY), told("d/escaped"), told("link", LINK, "/etc/passwd")]
    async with client(havred, {FILESYNC: sends(packets)}) as (connection, _):
        answer = await ask(connection, SOLVE, message, SolveResponse)
    assert answer.exporter_response["image.name"] == "docker.io/library/hostile:1"
    assert havred.api("DELETE", "/images/hostile:1").status == 200


async def test_a_client_that_vanishes_while_it_sends(havred: Havred) -> None:
    begun = asyncio.Event()

    async def stalls(stream: Stream) -> None:
        if stream.metadata["dir-name"] == ["dockerfile"]:
            await sends([])(stream)
            return
        begun.set()
        await asyncio.Event().wait()

    async with client(havred, {FILESYNC: stalls}) as (connection, session):
        solving = asyncio.ensure_future(ask(connection, SOLVE, request(), SolveResponse))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        session.writer.transport.abort()
        with pytest.raises(RpcError, match="closed the connection"):
            await asyncio.wait_for(solving, PATIENCE)
    assert havred.answers()


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/grpc", b"GET / HTTP/1.1\r\n\r\n"),
        ("/grpc", bytes(range(256)) * 16),
        ("/grpc", PREFACE + b"\0\0\1\1\0\0\0\0\0\0"),
        ("/grpc", PREFACE + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff"),
        ("/session", b"\0\0\1\1\0\0\0\0\0\0"),
        ("/session", b"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff"),
    ],
)
def test_what_is_no_http2(havred: Havred, path: str, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(havred.socket))
        head = "Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: x\r\n\r\n"
        sock.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode() + data)
        # It is the daemon that ends the connection.
        while sock.recv(1 << 16):
            pass
    assert havred.answers()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.attributes.update({"requestid": "frontend.nonsense"}), "the subrequest frontend.nonsense"),
        (lambda one: one.attributes.update({"shm-size": "-1"}), "invalid shm-size"),
        (lambda one: one.attributes.update({"platform": "linux/amd64,linux/arm64"}), "several platforms"),
        (lambda one: one.attributes.update({"nonsense": "1"}), "the build option nonsense"),
        (lambda one: one.attributes.update({"force-network-mode": "container:x"}), "invalid network mode"),
        (lambda one: one.exporters.append(Exporter("nonsense")), "the exporter nonsense"),
        (lambda one: setattr(one, "frontend", "gateway.v0"), "gateway.v0"),
    ],
)
async def test_what_nobody_asks_for(havred: Havred, change: Callable[[SolveRequest], None], words: str) -> None:
    message = request()
    change(message)
    async with client(havred, {FILESYNC: sends([])}) as (connection, _):
        with pytest.raises(RpcError) as raised:
            await ask(connection, SOLVE, message, SolveResponse)
        assert words in raised.value.message
        assert raised.value.code in (statuses.INVALID, statuses.UNIMPLEMENTED)


def test_nothing_is_left_of_them(havred: Havred) -> None:
    wait_until(lambda: not any((havred.data_root / "builds").glob("*")), "places of builds to be gone")
