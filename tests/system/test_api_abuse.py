"""Clients that ask for too much or do not end what they begin: they get an error, and nobody else notices them."""

import io
import json
import socket
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.system.harness import Engine, Havred

PATIENCE = 5.0
DEEP = 100_000


@pytest.fixture
def daemon(havred: Havred) -> Iterator[Havred]:
    """The engine; afterwards it answers at once, logged no accident and has not grown out of proportion."""
    before = len(havred.log.read_text(errors="replace"))
    yield havred
    assert_answers(havred)
    log = havred.log.read_text(errors="replace")[before:]
    assert "Traceback" not in log, log[-3000:]
    assert_small(havred)


def assert_small(havred: Havred) -> None:
    assert havred.process is not None
    status = Path(f"/proc/{havred.process.pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) < 300 * 1024, status


def assert_answers(engine: Engine) -> None:
    assert engine.api("GET", "/_ping", timeout=PATIENCE).status == 200


@contextmanager
def connected(engine: Engine) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(PATIENCE * 2)
        wire.connect(str(engine.socket))
        yield wire


def nested(text: str) -> bytes:
    """Many documents in one another, around ``text``."""
    return b'{"a":' * DEEP + text.encode() + b"}" * DEEP


def as_json(wire: socket.socket, method: str, path: str, body: bytes, length: int | None = None) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    wire.sendall(f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body)


def status_of(wire: socket.socket) -> int:
    """The status of the answer; 0 when the connection ends without one."""
    try:
        received = wire.recv(4096)
    except ConnectionError:
        return 0
    return int(received.split(b" ", 2)[1]) if received else 0


def test_deep_documents(daemon: Havred) -> None:
    for path in (
        *("/containers/create", "/containers/x/update", "/containers/x/exec", "/exec/x/start"),
        *("/commit?container=x", "/volumes/create", "/auth"),
    ):
        for wrap in (b"%s", b'{"HostConfig":%s,"Labels":%s}', b"[%s]"):
            with connected(daemon) as wire:
                as_json(wire, "POST", path, wrap.replace(b"%s", nested("1")))
                assert status_of(wire) == 400, path


def test_deep_filters(daemon: Havred) -> None:
    for path in ("/containers/json", "/images/json", "/events", "/volumes", "/networks"):
        text = quote("[" * 15_000 + "]" * 15_000)
        assert daemon.api("GET", f"{path}?filters={text}", timeout=PATIENCE).status == 400


def test_deep_images(daemon: Havred) -> None:
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["deep:1"], "Layers": []}]).encode()
    for members in ({"manifest.json": nested("1")}, {"manifest.json": manifest, "c.json": nested("1")}):
        answer = daemon.api("POST", "/images/load", _archive(members))
        assert answer.status == 200 and b"errorDetail" in answer.body


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_large_documents(daemon: Havred) -> None:
    large = json.dumps({"Image": "busybox", "Labels": {"a": "x" * (20 << 20)}}).encode()
    with connected(daemon) as wire:
        head = "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        wire.sendall(f"{head}Content-Length: {len(large)}\r\n\r\n".encode())
        try:
            wire.sendall(large)
        except ConnectionError:
            pass  # it was refused before the end
        assert status_of(wire) in (413, 0)


def test_a_document_without_end(daemon: Havred) -> None:
    with connected(daemon) as wire:
        head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        wire.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(400):
                wire.sendall(chunk)
        except ConnectionError:
            pass
        assert status_of(wire) in (413, 0)


def test_many_words(daemon: Havred) -> None:
    """A hundred thousand of what a container can be given many of.

    It runs with a tenth of that: runc's time grows with the square, and is half a minute for all.
    """
    many = [f"K{number}=v" for number in range(DEEP)]
    body = {"Image": "busybox", "Cmd": ["true"], "Env": many, "Labels": dict.fromkeys(many, "x")}
    made = daemon.api("POST", "/containers/create", body)
    assert made.status == 201, made
    container = made.json()["Id"]
    found = daemon.inspect(container)["Config"]
    assert len(found["Env"]) >= DEEP and len(found["Labels"]) == DEEP
    assert daemon.api("DELETE", f"/containers/{container}").status == 204
    made = daemon.api("POST", "/containers/create", {**body, "Env": many[: DEEP // 10]})
    container = made.json()["Id"]
    assert daemon.api("POST", f"/containers/{container}/start").status == 204
    assert daemon.api("POST", f"/containers/{container}/wait").json()["StatusCode"] == 0


HEADS = (
    b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(200_000)),
    b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * (4 << 20),
    b"GET /" + b"y" * (4 << 20) + b" HTTP/1.1\r\nHost: x\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n " * 300_000,
    b"POST /containers/create HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n",
    b"POST /containers/create HTTP/1.1\r\nContent-Length: -1\r\n",
    b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"\0" * 300_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def test_heads(daemon: Havred) -> None:
    for head in HEADS:
        with connected(daemon) as wire:
            try:
                wire.sendall(head + b"\r\n\r\n")
            except ConnectionError:
                pass
            assert status_of(wire) in (0, 400, 413, 414, 431), head[:80]
        assert_answers(daemon)


def test_clients_that_stop_in_the_middle(daemon: Havred) -> None:
    typed = b"Content-Type: application/json\r\n"
    parts = (
        b"",
        b"GET /_ping HTT",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\n" + typed + b"Content-Length: 500\r\n\r\n{",
        b"POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    with ExitStack() as stack:
        for number in range(300):
            stack.enter_context(connected(daemon)).sendall(parts[number % len(parts)])
        assert_answers(daemon)
        made = daemon.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]}, timeout=PATIENCE)
        assert made.status == 201
    assert_answers(daemon)


def test_clients_that_do_not_read(daemon: Havred) -> None:
    """What they asked for waits in the kernel, not in the daemon's memory."""
    with ExitStack() as stack:
        for _ in range(40):
            wire = stack.enter_context(connected(daemon))
            wire.sendall(b"GET /images/busybox/get HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        for _ in range(20):
            assert_answers(daemon)
        assert_small(daemon)
