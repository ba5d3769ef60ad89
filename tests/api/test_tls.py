"""The door over TCP with TLS, as ``tcp://`` with ``--tlsverify`` opens it."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.daemon import listeners
from havre.daemon.config import Config
from havre.daemon.serve import ApiServer
from havre.engine.streams import Duplex
from tests.fakes.engine import FakeEngine, FakeSession

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")


def make_key(directory: Path, name: str, *signer: str) -> None:
    """A key and a certificate, signed by itself or with ``signer``."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *signer,
        ],
        cwd=directory,
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is server, client and authority at once, and a stranger's."""
    directory = tmp_path_factory.mktemp("keys")
    make_key(directory, "ours")
    make_key(directory, "stranger")
    return directory


@pytest.fixture
async def port(tmp_path: Path, keys: Path, engine: FakeEngine) -> AsyncIterator[int]:
    """The port of a door that wants certificates."""
    config = Config(
        hosts=("tcp://127.0.0.1:0",),
        exec_root=tmp_path,
        tlsverify=True,
        tlscacert=str(keys / "ours.pem"),
        tlscert=str(keys / "ours.pem"),
        tlskey=str(keys / "ours.key"),
    )
    opened = listeners.open_all(config)
    server = ApiServer(engine, None, opened)  # type: ignore[arg-type]
    await server.start()
    yield opened[0].socket.getsockname()[1]
    await server.stop_accepting()
    await server.close()


def client_context(keys: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / "ours.pem"))
    if name is not None:
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    return context


async def talk(port: int, context: ssl.SSLContext | None, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


PING = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_with_a_certificate(port: int, keys: Path) -> None:
    answer = await talk(port, client_context(keys, "ours"), PING)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nOK")


@pytest.mark.parametrize("name", [None, "stranger"])
async def test_without_one(port: int, keys: Path, name: str | None) -> None:
    try:
        assert await talk(port, client_context(keys, name), PING) == b""
    except (ssl.SSLError, ConnectionError):
        pass


async def test_without_tls(port: int) -> None:
    try:
        assert b"200 OK" not in await talk(port, None, PING)
    except ConnectionError:
        pass


async def test_a_stream_over_tls(port: int, keys: Path, engine: FakeEngine) -> None:
    async def run(stream: Duplex) -> None:
        await stream.write(b"<" + await stream.read() + b">" + b"x" * 1_000_000)

    engine.answer("attach.prepare", FakeSession(run))
    request = b"POST /containers/x/attach?stream=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nhello"
    answer = await talk(port, client_context(keys, "ours"), request)
    assert answer.partition(b"\r\n\r\n")[2] == b"<hello>" + b"x" * 1_000_000
