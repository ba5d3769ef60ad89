"""The client against a scripted daemon: requests as they arrive, errors, kept connections, versions, uploads,
hijacking.
"""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.daemon import Answer, FakeDaemon, Stream

from havre.client.errors import ApiError, DaemonUnreachable, ProtocolError
from havre.client.hosts import parse_host
from havre.client.http import Client


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "d.sock") as fake:
        yield fake


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    made = Client(parse_host(daemon.host))
    yield made
    made.close()


def test_a_request_and_its_answer(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("POST", "/containers/create", status=201, json={"Id": "x"})
    answer = client.post("/containers/create", {"name": "a b"}, {"Image": "é"}, headers={"X-Extra": "1"})
    assert (answer.status, answer.json()) == (201, {"Id": "x"})
    asked = daemon.requests[0]
    assert asked.json() == {"Image": "é"}
    assert asked.query == {"name": ["a b"]}
    assert asked.version == "1.51"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-extra"] == "1"
    assert asked.headers["user-agent"].startswith("havre/")


def test_every_method(daemon: FakeDaemon, client: Client) -> None:
    for method in ("GET", "HEAD", "DELETE", "PUT", "POST"):
        daemon.on(method, "/x", json={})
    for call in (client.get, client.head, client.delete, client.put, client.post):
        call("/x").read()
    assert daemon.trail() == [f"{method} /x" for method in ("GET", "HEAD", "DELETE", "PUT", "POST")]
    assert daemon.connections == 1
    assert daemon.pings == 0


def test_errors_carry_status_and_sentence(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("GET", "/x", Answer(404, json={"message": "No such thing: x\n"}), Answer(500, body=b"boom"), Answer(502))
    for status, message in ((404, "No such thing: x"), (500, "boom"), (502, "HTTP status 502")):
        with pytest.raises(ApiError) as error:
            client.get("/x")
        assert (error.value.status, error.value.message) == (status, message)
        assert str(error.value) == f"Error response from daemon: {message}"
    assert daemon.connections == 1


def test_an_error_without_end_is_cut(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("GET", "/x", status=500, body=b"x" * 2_000_000)
    with pytest.raises(ApiError, match="HTTP status 500"):
        client.get("/x")


def test_an_older_daemon_costs_one_more_round_trip_once(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "d.sock", api_version="1.43") as daemon:
        daemon.on("POST", "/x", json={})
        client = Client(parse_host(daemon.host))
        client.post("/x", None, {"a": 1}).read()
        client.post("/x").read()
        assert client.version == "1.43"
    assert [request.version for request in daemon.asked("POST", "/x")] == ["1.43", "1.43"]
    assert daemon.asked("POST", "/x")[0].json() == {"a": 1}
    assert daemon.pings == 0


def test_a_pinned_version_is_not_changed(daemon: FakeDaemon) -> None:
    daemon.on("GET", "/x", Answer(400, json={"message": "client version 9.9 is too new. Maximum is 1.51"}))
    client = Client(parse_host(daemon.host), version="1.30")
    with pytest.raises(ApiError, match="too new"):
        client.get("/x")
    assert [request.version for request in daemon.requests] == ["1.30"]


def test_a_stream_is_sent_with_the_right_version_at_once(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "d.sock", api_version="1.44") as daemon:
        daemon.on("PUT", "/x", json={})
        client = Client(parse_host(daemon.host))
        client.put("/x", stream=iter([b"a" * 100000, b"", b"b"])).read()
    asked = daemon.requests[0]
    assert (asked.version, asked.body) == ("1.44", b"a" * 100000 + b"b")
    assert daemon.pings == 1


def test_a_kept_connection_that_the_daemon_closed(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("GET", "/x", Answer(json={}, headers={"Keep-Alive": "timeout=1"}))
    client.get("/x").read()
    assert client._idle is not None
    client._idle.stream.shutdown(socket.SHUT_RDWR)
    client.get("/x").read()
    assert daemon.connections == 2


def test_no_request_follows_an_upload_that_was_cut_short(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("PUT", "/x", json={})
    daemon.on("GET", "/x", json={})

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        client.put("/x", stream=broken())
    client.get("/x").read()
    assert daemon.trail() == ["GET /x"]


def test_nobody_there(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/none"
    with pytest.raises(DaemonUnreachable) as error:
        Client(parse_host(host)).get("/x")
    assert str(error.value) == f"Cannot connect to the havre daemon at {host}. Is the havre daemon running?"


def test_nobody_listens(tmp_path: Path) -> None:
    path = tmp_path / "dead"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(DaemonUnreachable, match="Is the havre daemon running"):
        Client(parse_host(f"unix://{path}")).get("/x")


def test_a_line_break_cannot_be_smuggled_into_the_head(client: Client) -> None:
    with pytest.raises(ValueError, match="line break"):
        client.get("/x", headers={"A": "b\r\nC: d"})


def test_hijack_passes_on_what_came_with_the_head(daemon: FakeDaemon, client: Client) -> None:
    def serve(stream: Stream) -> None:
        stream.send(b"early")
        got = stream.read_all()
        stream.send(b"|" + got)

    daemon.on("POST", "/attach", hijack=serve)
    with client.hijack("/attach", {"stream": True}) as raw:
        assert raw.multiplexed is True
        raw.sendall(b"abc")
        raw.close_write()
        data = b""
        while piece := raw.recv():
            data += piece
    assert data == b"early|abc"
    assert daemon.requests[0].headers["upgrade"] == "tcp"


def test_hijack_refused_is_an_ordinary_error(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("POST", "/attach", status=404, json={"message": "No such container: x"})
    with pytest.raises(ApiError, match="No such container"):
        client.hijack("/attach")
    daemon.on("POST", "/attach", status=204)
    with pytest.raises(ProtocolError, match="204"):
        client.hijack("/attach")


def one_connection(path: Path, serve: "object") -> threading.Thread:
    """A server that takes a single connection and hands it to ``serve``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def run() -> None:
        with listener, listener.accept()[0] as connection:
            serve(connection)  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_upload_stops_when_the_daemon_refuses_it(tmp_path: Path) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(
            b"HTTP/1.1 507 Full\r\nContent-Length: 21\r\n\r\n" + json.dumps({"message": "full"}).encode() + b"     "
        )
        connection.recv(1)
        connection.shutdown(socket.SHUT_RDWR)

    server = one_connection(tmp_path / "s", refuse)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1 << 32:
            sent += 65536
            yield bytes(65536)

    client = Client(parse_host(f"unix://{tmp_path}/s"), version="1.51")
    with pytest.raises(ApiError, match="full"):
        client.put("/x", stream=endless())
    assert client._idle is None
    server.join()
    assert sent < 1 << 28


def test_an_answer_that_grows_during_the_upload_does_not_block_it(tmp_path: Path) -> None:
    def chatty(connection: socket.socket) -> None:
        line = b"x" * 4096
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(line) * 512))
        for _ in range(512):
            connection.sendall(line)
            connection.recv(65536)
        while not connection.recv(65536).endswith(b"0\r\n\r\n"):
            pass

    server = one_connection(tmp_path / "s", chatty)
    client = Client(parse_host(f"unix://{tmp_path}/s"), version="1.51")
    answer = client.post("/load", stream=(bytes(32768) for _ in range(1024)))
    assert len(answer.read()) == 4096 * 512
    server.join()
