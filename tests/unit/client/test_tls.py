"""TLS to a daemon on tcp: who is trusted, and an end of input that leaves the output open."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from havre.client.errors import DaemonUnreachable
from havre.client.hosts import TlsFiles, parse_host
from havre.client.http import Client

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(certificate, key) of a server called localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return str(pem), str(key)


@contextmanager
def serving(certificate: tuple[str, str], serve: Callable[[ssl.SSLSocket], None]) -> Iterator[str]:
    """A TLS server for one connection; the address to reach it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        try:
            with listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as connection:
                serve(connection)
        except (ssl.SSLError, ConnectionError):
            # The client did not trust us.
            pass

    thread = threading.Thread(target=run)
    thread.start()
    yield f"tcp://localhost:{listener.getsockname()[1]}"
    thread.join()
    listener.close()


def answer(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def test_a_trusted_server(certificate: tuple[str, str]) -> None:
    with serving(certificate, answer) as host:
        assert Client(parse_host(host, TlsFiles(ca=certificate[0]))).get("/x").json() == {}


def test_an_unknown_server_is_refused(certificate: tuple[str, str]) -> None:
    with serving(certificate, answer) as host, pytest.raises(DaemonUnreachable, match="TLS handshake"):
        Client(parse_host(host, TlsFiles())).get("/x")


def test_without_verification_anybody_will_do(certificate: tuple[str, str]) -> None:
    with serving(certificate, answer) as host:
        assert Client(parse_host(host, TlsFiles(verify=False))).get("/x").json() == {}


def test_missing_files_are_named(certificate: tuple[str, str]) -> None:
    with serving(certificate, answer) as host, pytest.raises(DaemonUnreachable, match="/nope"):
        Client(parse_host(host, TlsFiles(ca="/nope"))).get("/x")


def test_input_ends_and_output_goes_on(certificate: tuple[str, str]) -> None:
    size = 3_000_000

    def echo(connection: ssl.SSLSocket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        count = 0
        while data := connection.recv(65536):
            count += len(data)
        for _ in range(count // 1000):
            connection.sendall(bytes(1000))

    with serving(certificate, echo) as host:
        client = Client(parse_host(host, TlsFiles(ca=certificate[0])))
        with client.hijack("/attach") as raw:
            raw.sendall(bytes(size))
            raw.close_write()
            received = 0
            while data := raw.recv():
                received += len(data)
    assert received == size
