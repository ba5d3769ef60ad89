"""Answers on the wire: the honest forms, every cut of them, and the hostile ones, which end in ProtocolError
and nothing else.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from havre.client.connection import Connection
from havre.client.errors import ProtocolError
from havre.client.response import HEAD_LIMIT, Response


@contextmanager
def answering(*parts: bytes) -> Iterator[Connection]:
    """A connection on which the parts arrive one by one, then the end."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        try:
            for part in parts:
                theirs.sendall(part)
        except OSError:
            pass
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield Connection(ours)
    finally:
        ours.close()
        sender.join()


def read(*parts: bytes, method: str = "GET") -> tuple[int, bytes, list[bool]]:
    """(status, body, whether the connection was released for another request)."""
    released: list[bool] = []
    with answering(*parts) as connection:
        response = Response(connection, method, lambda _, reusable: released.append(reusable))
        return response.status, response.read(), released


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("data", [LENGTH, CHUNKED])
def test_bodies_and_reuse(data: bytes) -> None:
    assert read(data) == (200, b"hello", [True])


@pytest.mark.parametrize("data", [LENGTH, CHUNKED])
def test_byte_by_byte(data: bytes) -> None:
    assert read(*(bytes([byte]) for byte in data)) == (200, b"hello", [True])


def test_until_the_end_is_not_reused() -> None:
    assert read(b"HTTP/1.1 200 OK\r\n\r\nhello") == (200, b"hello", [False])


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
def test_connections_that_end(head: bytes) -> None:
    assert read(head + b"Content-Length: 2\r\n\r\nhi") == (200, b"hi", [False])


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("POST", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
def test_answers_without_a_body(method: str, head: bytes) -> None:
    status, body, released = read(head, method=method)
    assert (body, released) == (b"", [True])
    assert status == int(head[9:12])


def test_informational_answers_are_passed_over() -> None:
    assert read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + LENGTH)[1] == b"hello"


def test_headers_are_lower_case_and_joined() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:2\r\nContent-Length: 0\r\n\r\n") as connection:
        assert Response(connection, "GET", lambda *_: None).headers == {"x-a": "1, 2", "content-length": "0"}


def test_more_than_the_answer_spoils_the_connection() -> None:
    assert read(LENGTH + b"HTTP/1.1 200 smuggled")[2] == [False]


def test_closing_early_closes_the_connection() -> None:
    released: list[bool] = []
    with answering(LENGTH) as connection:
        with Response(connection, "GET", lambda _, reusable: released.append(reusable)):
            pass
    assert released == [False]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"x" * (HEAD_LIMIT + 70000),
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)


def test_a_body_beyond_the_limit_is_not_kept() -> None:
    with answering(LENGTH) as connection:
        with pytest.raises(ProtocolError, match="longer than 4 bytes"):
            Response(connection, "GET", lambda *_: None).read(4)


def test_what_is_no_json() -> None:
    with answering(LENGTH) as connection:
        with pytest.raises(ProtocolError, match="not JSON"):
            Response(connection, "GET", lambda *_: None).json()


@settings(max_examples=200)
@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_garbage_is_a_protocol_error_or_an_answer(data: bytes, start: bytes) -> None:
    try:
        read(start + data)
    except ProtocolError:
        pass
