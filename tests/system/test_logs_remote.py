"""Logs that go to receivers: syslog over every transport, and a journald of the test's own."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import BIN, PATIENCE, Engine, Havred, wait_until
from tests.system.programs import Program

JOURNALD = "/lib/systemd/systemd-journald"
SCRIPT = "echo hello; echo bad >&2; printf end"


class Receiver:
    """A syslog daemon of the test's own: every datagram, or all bytes of every connection."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.listener = listener
        self.context = context
        self.data = b""
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        found: int = self.listener.getsockname()[1]
        return found

    def _run(self) -> None:
        with suppress(OSError):
            if self.listener.type == socket.SOCK_DGRAM:
                while True:
                    self.data += self.listener.recv(1 << 17)
            while True:
                connection, _ = self.listener.accept()
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
                while block := connection.recv(1 << 16):
                    self.data += block

    def wait(self, condition: Callable[[bytes], object]) -> None:
        wait_until(lambda: condition(self.data), "what the container wrote", lambda: repr(self.data[-500:]))

    def close(self) -> None:
        for one in (*self.connections, self.listener):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(PATIENCE)


def listen(kind: int = socket.SOCK_STREAM, port: int = 0) -> socket.socket:
    listener = socket.socket(socket.AF_INET, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def listen_unix(path: Path, kind: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(str(path))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key in the same file."""
    assert shutil.which("openssl") is not None, "scripts/setup --dev installs it"
    directory = tmp_path_factory.mktemp("tls")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:TRUE"]
    files = ["-keyout", str(directory / "key"), "-out", str(directory / "cert")]
    subprocess.run([*words, *files], check=True, capture_output=True)
    (directory / "both").write_bytes((directory / "cert").read_bytes() + (directory / "key").read_bytes())
    return directory / "both"


def options(address: str, *more: str) -> list[str]:
    given = [f"syslog-address={address}", "syslog-format=rfc5424", "syslog-facility=local3", "tag={{.Name}}", *more]
    return ["--log-driver", "syslog", *[word for one in given for word in ("--log-opt", one)]]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "unix", "unixgram"])
def test_syslog(docker: Program, engine: Engine, tmp_path: Path, certificate: Path, transport: str) -> None:
    more: list[str] = []
    if transport in ("unix", "unixgram"):
        kind = socket.SOCK_DGRAM if transport == "unixgram" else socket.SOCK_STREAM
        receiver = Receiver(listen_unix(tmp_path / "s", kind))
        address = f"{transport}://{tmp_path / 's'}"
    elif transport == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        receiver = Receiver(listen(), context)
        address, more = f"tcp+tls://127.0.0.1:{receiver.port}", [f"syslog-tls-ca-cert={certificate.parent / 'cert'}"]
    else:
        receiver = Receiver(listen(socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM))
        address = f"{transport}://127.0.0.1:{receiver.port}"
    try:
        docker("run", "--name", "sender", *options(address, *more), "busybox", "sh", "-c", SCRIPT, code=0)
        receiver.wait(lambda data: b"- end\n" in data)
    finally:
        receiver.close()
    lines = receiver.data.decode().splitlines()
    assert sorted(line.rpartition(" - ")[2] for line in lines) == ["bad", "end", "hello"]
    for line in lines:
        length, _, rest = line.partition(" ")
        text = rest if transport == "tls" else line
        assert text.startswith("<155>1 " if text.endswith("bad") else "<158>1 ")
        assert " sender " in text
        if transport == "tls":
            assert int(length) == len(rest) + 1
    # A copy is kept for docker logs.
    assert (docker("logs", "sender").out, docker("logs", "sender").err) == ("hello\nend", "bad\n")
    assert engine.inspect("sender")["LogPath"] == ""


def test_a_certificate_nobody_signed(docker: Program, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    receiver = Receiver(listen(), context)
    try:
        said = docker("run", *options(f"tcp+tls://127.0.0.1:{receiver.port}"), "busybox", "true", code=125).err
    finally:
        receiver.close()
    assert "failed to initialize logging driver: tls: failed to verify certificate" in said


def test_a_receiver_that_is_not_there(docker: Program, engine: Engine) -> None:
    with listen() as closed:
        port = closed.getsockname()[1]
    text = (
        "failed to create task for container: failed to initialize logging driver: "
        f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    )
    said = docker("run", "--name", "alone", *options(f"tcp://127.0.0.1:{port}"), "busybox", "true", code=125).err
    assert said.splitlines()[0] == f"docker: Error response from daemon: {text}"
    state = engine.inspect("alone")["State"]
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("created", 128, text)
    assert engine.api("POST", "/containers/alone/start").status == 500


def test_a_receiver_that_goes_and_comes_back(docker: Program, havred: Havred) -> None:
    """Meanwhile the container writes on, unhindered, and can be read; what it wrote arrives later."""
    receiver = Receiver(listen())
    port = receiver.port
    script = "echo before; read go; seq 20000; echo middle; read go; echo after"
    docker("run", "-d", "-i", "--name", "patient", *options(f"tcp://127.0.0.1:{port}"), "busybox", "sh", "-c", script)
    feeder = docker.start("attach", "patient", stdin=subprocess.PIPE)
    assert feeder.stdin is not None
    receiver.wait(lambda data: b"- before\n" in data)
    receiver.close()
    feeder.stdin.write(b"go\n")
    feeder.stdin.flush()
    wait_until(lambda: docker("logs", "--tail", "1", "patient").out == "middle\n", "the container to write")
    receiver = Receiver(listen(port=port))
    try:
        receiver.wait(lambda data: b"- middle\n" in data)
        numbers = [line.rpartition(b" ")[2] for line in receiver.data.splitlines()]
        assert numbers[-20_001:] == [b"%d" % number for number in range(1, 20_001)] + [b"middle"]
        feeder.communicate(b"go\n", timeout=PATIENCE)
        receiver.wait(lambda data: b"- after\n" in data)
    finally:
        receiver.close()
        feeder.kill()


def test_no_copy_no_reading(docker: Program, engine: Engine) -> None:
    receiver = Receiver(listen(socket.SOCK_DGRAM))
    try:
        given = options(f"udp://127.0.0.1:{receiver.port}", "cache-disabled=true")
        docker("run", "--name", "uncached", *given, "busybox", "echo", "once", code=0)
        receiver.wait(lambda data: b"- once\n" in data)
    finally:
        receiver.close()
    answer = engine.api("GET", "/containers/uncached/logs?stdout=1")
    assert (answer.status, answer.json()) == (501, {"message": "configured logging driver does not support reading"})


@pytest.fixture
def with_journald(new_havred: NewDaemon) -> Iterator[Havred]:
    """A daemon and a journald in a mount namespace of their own: the host's journal, if there is one, hears nothing."""
    assert os.path.exists(JOURNALD), "scripts/setup --dev installs it"
    own = "for one in /run/systemd /run/log; do mkdir -p $one; mount -t tmpfs none $one; done; mkdir /run/log/journal"
    havred = new_havred()
    namespace = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{own}; exec "$@"', "sh")
    havred.start(program=(*namespace, str(BIN / "havred")))
    assert havred.process is not None
    inside = ("nsenter", "--mount", "--target", str(havred.process.pid))
    journald = subprocess.Popen([*inside, JOURNALD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: subprocess.run([*inside, "test", "-S", "/run/systemd/journal/socket"]).returncode == 0, "it")
        havred.load(images.busybox().archive("busybox:latest"))
        yield havred
    finally:
        journald.terminate()
        journald.wait(PATIENCE)


def test_journald(with_journald: Havred, tmp_path: Path) -> None:
    docker = docker_for(with_journald, tmp_path)
    assert with_journald.process is not None
    inside = ("nsenter", "--mount", "--target", str(with_journald.process.pid))

    def journal() -> list[dict[str, Any]]:
        words = [*inside, "journalctl", "--output", "json", "--all", "CONTAINER_NAME=told"]
        found = subprocess.run(words, capture_output=True, check=False).stdout
        return [json.loads(line) for line in found.splitlines()]

    given = ("--log-driver", "journald", "--log-opt", "labels=com.example-x", "--log-opt", "tag={{.ImageName}}")
    script = "echo hello; echo bad >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf end"
    docker("run", "--name", "told", "--label", "com.example-x=1", *given, "busybox", "sh", "-c", script, code=0)
    wait_until(lambda: len(journal()) == 5, "five messages in the journal", lambda: str(journal()))
    found = {one["MESSAGE"][:5]: one for one in journal()}
    container = with_journald.inspect("told")
    for one in found.values():
        assert one["CONTAINER_ID_FULL"] == container["Id"]
        assert one["CONTAINER_ID"] == container["Id"][:12]
        assert one["CONTAINER_TAG"] == one["SYSLOG_IDENTIFIER"] == one["IMAGE_NAME"] == "busybox"
        assert one["COM_EXAMPLE_X"] == "1"
    assert (found["hello"]["PRIORITY"], found["bad"]["PRIORITY"]) == ("6", "3")
    parts = [one for one in journal() if one["MESSAGE"].startswith("xxxxx")]
    assert [len(one["MESSAGE"]) for one in parts] == [16384, 3616]
    assert [one["CONTAINER_PARTIAL_LAST"] for one in parts] == ["false", "true"]
    assert [one.get("CONTAINER_PARTIAL_MESSAGE") for one in parts] == ["true", None]
    assert docker("logs", "told").out == "hello\n" + "x" * 20_000 + "\nend"


def test_a_host_without_journald(docker: Program) -> None:
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("this host has a journald")
    said = docker("run", "--log-driver", "journald", "busybox", "true", code=125).err
    assert "failed to initialize logging driver: journald is not enabled on this host" in said
