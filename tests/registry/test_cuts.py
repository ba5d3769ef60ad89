"""Connections cut at random bytes, in both directions: whoever comes back goes on where it was."""

import os
import random
import socket
import struct

from tests.registry.server import Client, Server, path_of, sha256

CUTS = 200
SEED = int(os.environ.get("HAVRE_TEST_SEED", "0")) or random.randrange(1 << 30)


def cut(connection: socket.socket, chance: random.Random) -> None:
    """End the connection: with a reset, or as a client that ends in order."""
    if chance.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def offset_of(client: Client, path: str) -> int:
    return int((client.ask("GET", path).headers["Range"] or "0--1").partition("-")[2]) + 1


def test_an_upload_goes_on_after_each_of_200_cuts(server: Server, client: Client) -> None:
    chance = random.Random(SEED)
    data = chance.randbytes(20_000_000)
    path = client.begin("cuts/upload")
    offset = 0
    for number in range(CUTS):
        before, offset = offset, offset_of(client, path)
        assert offset >= before, SEED
        sent = min(chance.randrange(1, 2 * len(data) // CUTS), len(data) - offset - 1)
        verb = chance.choice(["PATCH", "PUT"])
        target = path if verb == "PATCH" else f"{path}?digest={sha256(data)}"
        span = f"Content-Range: {offset}-{len(data) - 1}\r\nContent-Length: {len(data) - offset}\r\n"
        head = f"{verb} {target} HTTP/1.1\r\nHost: registry\r\n{span}\r\n"
        whole = head.encode() + data[offset : offset + sent]
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            # Now and then not even the head is whole.
            connection.sendall(whole[: chance.randrange(len(head))] if number % 10 == 9 else whole)
            cut(connection, chance)
    offset = offset_of(client, path)
    # Half of them ended in order, and of those nothing was lost.
    assert offset > len(data) // 4, SEED
    done = client.ask("PUT", f"{path}?digest={sha256(data)}", data[offset:])
    assert done.status == 201, (SEED, done)
    assert sha256(client.ask("GET", path_of(done)).body) == sha256(data), SEED


def test_a_download_goes_on_after_each_of_200_cuts(server: Server, client: Client) -> None:
    chance = random.Random(SEED)
    data = chance.randbytes(20_000_000)
    digest = client.push_blob("cuts/download", data)["digest"]
    path = f"/v2/cuts/download/blobs/{digest}"
    open_before = server.descriptors()
    got = bytearray()
    for _ in range(CUTS):
        request = f"GET {path} HTTP/1.1\r\nHost: registry\r\nRange: bytes={len(got)}-\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request.encode())
            wanted = chance.randrange(1, len(data) // CUTS)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 206")
            while len(body) < wanted:
                body += connection.recv(65536)
            got += body[:wanted]
            cut(connection, chance)
    rest = client.ask("GET", path, Range=f"bytes={len(got)}-")
    assert sha256(bytes(got) + rest.body) == digest, SEED
    server.wait_until(lambda: server.descriptors() <= open_before)


def test_who_comes_back_takes_an_upload_over_from_a_dead_connection(server: Server, client: Client) -> None:
    """The old connection is not cut: the registry cannot know that nobody is there any more."""
    data = os.urandom(600_000)
    path = client.begin("cuts/takeover")
    head = f"PATCH {path} HTTP/1.1\r\nHost: registry\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as dead:
        dead.sendall(head.encode() + data[:300_000])
        stored = server.root / "uploads" / path.rpartition("/")[2]
        server.wait_until(lambda: stored.stat().st_size >= 256 * 1024)
        # Asking where it stands ends the old request: nothing it still had in hand comes in between.
        offset = offset_of(client, path)
        assert 256 * 1024 <= offset <= 300_000
        assert dead.recv(65536).startswith(b"HTTP/1.1 408")
        assert client.ask("PATCH", path, data[offset:]).status == 202
    assert client.ask("PUT", f"{path}?digest={sha256(data)}").status == 201
