"""Sockets: stale ones, owners and modes, TCP only where it is safe, TLS, systemd's."""

import grp
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from havre.daemon import listeners
from havre.daemon.config import Config
from havre.errors import Conflict, HavreError, InvalidParameter


def config(path: Path, **values: object) -> Config:
    return Config(**{"hosts": (f"unix://{path}",), "exec_root": path.parent, **values})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "havre.sock"


def test_a_unix_socket(path: Path) -> None:
    mask = os.umask(0)
    try:
        (listener,) = listeners.open_all(config(path))
    finally:
        os.umask(mask)
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o660
    assert os.umask(mask) == mask
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="groups of others need root")
def test_the_group(path: Path) -> None:
    group = grp.getgrgid(12)
    for name in (group.gr_name, "12"):
        (listener,) = listeners.open_all(config(path, group=name))
        assert path.stat().st_gid == 12
        listener.close()


def test_a_group_that_is_not_there(path: Path) -> None:
    with pytest.raises(InvalidParameter, match="group nonsense-group not found"):
        listeners.open_all(config(path, group="nonsense-group"))


def test_a_stale_socket_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    (listener,) = listeners.open_all(config(path))
    listener.close()


def test_a_socket_somebody_listens_on_is_left_alone(path: Path) -> None:
    (first,) = listeners.open_all(config(path))
    with pytest.raises(Conflict, match="another process listens on it"):
        listeners.open_all(config(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    first.close()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(Conflict, match="a file that is no socket is there"):
        listeners.open_all(config(path))
    assert path.read_text() == "precious"


def test_all_or_none(path: Path) -> None:
    with pytest.raises(HavreError):
        listeners.open_all(config(path, hosts=(f"unix://{path}", "tcp://0.0.0.0:1")))
    assert not path.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_tcp_on_the_loopback(path: Path, host: str) -> None:
    (listener,) = listeners.open_all(config(path, hosts=(f"tcp://{host}:0",)))
    assert listener.tls is None and listener.socket.getsockname()[1] > 0
    listener.close()


@pytest.mark.parametrize("host", ["0.0.0.0:2375", ":::2375", "[::]:2375", "192.0.2.1", "example.invalid:1"])
def test_tcp_elsewhere_needs_tls(path: Path, host: str) -> None:
    with pytest.raises(InvalidParameter, match=r"refusing to listen on tcp://.* without TLS|must be tcp://host:port"):
        listeners.open_all(config(path, hosts=(f"tcp://{host}",)))


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "http://localhost", "tcp://localhost:99999", "tcp://a:b", "unix://relative", "tcp://a/b"],
)
def test_addresses_that_make_no_sense(path: Path, address: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid host"):
        listeners.open_all(config(path, hosts=(address,)))


def test_a_port_in_use(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"cannot listen on tcp://127.0.0.1:{port}: "):
            listeners.open_all(config(path, hosts=(f"tcp://127.0.0.1:{port}",)))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that also is its own authority."""
    directory = tmp_path_factory.mktemp("keys")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=havre"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return directory


def test_tls(path: Path, keys: Path) -> None:
    files = {"tlscert": str(keys / "cert.pem"), "tlskey": str(keys / "key.pem"), "tlscacert": str(keys / "cert.pem")}
    (listener,) = listeners.open_all(config(path, hosts=("tcp://0.0.0.0:0",), tlsverify=True, **files))
    assert listener.tls is not None
    assert listener.tls.verify_mode is ssl.CERT_REQUIRED
    assert listener.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    listener.close()
    (listener,) = listeners.open_all(config(path, hosts=("tcp://0.0.0.0:0",), tls=True, **files))
    assert listener.tls is not None and listener.tls.verify_mode is ssl.CERT_NONE
    listener.close()


def test_tls_with_files_that_are_not_there(path: Path) -> None:
    files = {"tlscert": "/nothing", "tlskey": "/nothing"}
    with pytest.raises(InvalidParameter, match="cannot use the TLS files"):
        listeners.open_all(config(path, hosts=("tcp://127.0.0.1:0",), tls=True, **files))


ACTIVATED = """
import os, socket, sys
from pathlib import Path
from havre.daemon import listeners
from havre.daemon.config import Config
os.environ["LISTEN_PID"] = str(os.getpid())
opened = listeners.open_all(Config(hosts=(sys.argv[1],), exec_root=Path("/nothing")))
print([(one.address, one.socket.getsockname()) for one in opened], os.get_inheritable(3))
"""


@pytest.mark.parametrize(
    ("address", "expected"), [("fd://", [3, 4]), ("fd://3", [3]), ("fd://api", [4]), ("fd://*", [3, 4])]
)
def test_sockets_from_systemd(tmp_path: Path, address: str, expected: list[int]) -> None:
    made = []
    for number in (3, 4):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / str(number)))
        sock.listen()
        made.append(sock)

    def place() -> None:
        # Away from 3 and 4 first: one of the two may stand in the other's place.
        moved = [os.dup2(sock.fileno(), 100 + number) for number, sock in enumerate(made)]
        for number, fd in enumerate(moved):
            os.dup2(fd, 3 + number)

    done = subprocess.run(
        [sys.executable, "-c", ACTIVATED, address],
        env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "other:api"},
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{[(f'fd://{fd}', str(tmp_path / str(fd))) for fd in expected]} False\n"
    for sock in made:
        sock.close()


def test_nothing_from_systemd(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    with pytest.raises(InvalidParameter, match="no sockets found via socket activation"):
        listeners.open_all(config(path, hosts=("fd://",)))
