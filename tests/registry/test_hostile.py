"""Clients that want no image: slow ones, endless heads, floods. The others are served, and memory stays bounded."""

import os
import socket
import threading

import pytest

from tests.registry.server import OCI_MANIFEST, Client, Server, sha256

LIMIT = 100 << 20


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionError:
        pass
    return said


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /v2/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(50_000)) + b"\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"PATCH /v2/a/blobs/uploads/b HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1000,
    ],
    ids=["a long header", "a long path", "many headers", "two lengths", "no length", "TLS", "zeros"],
)
def test_what_is_no_request_is_refused(server: Server, client: Client, head: bytes) -> None:
    with connect(server) as connection:
        try:
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # It has hung up before it heard all.
            pass
        said = read_all(connection)
    assert not said or said.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 404")), said[:200]
    assert b"Traceback" not in said
    assert client.ask("GET", "/v2/").status == 200


def test_a_head_without_an_end_is_cut_off(server: Server, client: Client) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            for number in range(100_000):
                connection.sendall(b"X%d: %b\r\n" % (number, b"y" * 1000))
    assert client.ask("GET", "/v2/").status == 200


def test_slow_clients_keep_nobody_waiting(server: Server, client: Client) -> None:
    """Heads that never end, bodies that never come, answers nobody reads."""
    digest = client.push_blob("slow/one", os.urandom(5_000_000))["digest"]
    upload = client.begin("slow/one")
    beginnings = [
        b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        f"PATCH {upload} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx".encode(),
        b"PUT /v2/slow/one/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n{",
        f"GET /v2/slow/one/blobs/{digest} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    ]
    connections = []
    for number in range(200):
        connections.append(connect(server))
        connections[-1].sendall(beginnings[number % len(beginnings)])
    client.push_image("slow/two", "v1", b"layer")
    assert client.ask("GET", f"/v2/slow/one/blobs/{digest}").status == 200
    assert server.peak_memory() < LIMIT
    for connection in connections:
        connection.close()


def test_a_thousand_slow_uploads_fit_into_memory(own_server: Server) -> None:
    """Each sends nearly as much as is written at once, and then nothing more."""
    client = own_server.client()
    connections = []
    for _ in range(1000):
        head = f"PATCH {client.begin('slow/many')} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
        connections.append(connect(own_server))
        connections[-1].sendall(head.encode() + b"x" * 200_000)
    assert client.ask("GET", "/v2/").status == 200
    assert own_server.peak_memory() < LIMIT
    for connection in connections:
        connection.close()
    client.close()


def test_many_large_manifests_at_once_fit_into_memory(own_server: Server) -> None:
    client = own_server.client()
    client.push_image("large/one", "v1")
    document = client.ask("GET", "/v2/large/one/manifests/v1").body
    bodies = [document + b" " * ((4 << 20) - len(document) - number) for number in range(24)]

    def push_and_pull(number: int) -> None:
        own = own_server.client()
        path = f"/v2/large/one/manifests/n{number}"
        assert own.ask("PUT", path, bodies[number], Content_Type=OCI_MANIFEST).status == 201
        for _ in range(3):
            assert sha256(own.ask("GET", path).body) == sha256(bodies[number])
        own.close()

    threads = [threading.Thread(target=push_and_pull, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(client.ask("GET", "/v2/large/one/tags/list").json["tags"]) == len(bodies) + 1
    assert own_server.peak_memory() < LIMIT
    client.close()


def test_many_large_blobs_at_once_fit_into_memory(own_server: Server) -> None:
    data = os.urandom(30_000_000)

    def push_and_pull(number: int) -> None:
        own = own_server.client()
        blob = own.push_blob(f"large/n{number}", data)
        assert own.ask("GET", f"/v2/large/n{number}/blobs/{blob['digest']}").body == data
        own.close()

    threads = [threading.Thread(target=push_and_pull, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own_server.peak_memory() < LIMIT
