"""One connection to the daemon: connecting, buffered reading with limits, sending. The HTTP client comes in here.

A unix socket is opened through ``_socket``, the C module under ``socket``, whose Python half costs milliseconds to
import.
"""

from __future__ import annotations

import _socket

from havre.client.errors import DaemonUnreachable, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from havre.client.hosts import Endpoint

    class Socket(Protocol):
        """What the client needs of a stream; a plain socket and the TLS one both have it."""

        def recv(self, size: int, /) -> bytes: ...
        def sendall(self, data: bytes | bytearray | memoryview, /) -> None: ...
        def fileno(self) -> int: ...
        def shutdown(self, how: int, /) -> None: ...
        def settimeout(self, seconds: float | None, /) -> None: ...
        def close(self) -> None: ...


CONNECT_TIMEOUT = 30.0
_READ = 65536


def connect(endpoint: Endpoint) -> Socket:
    """Open the daemon's stream. Raises DaemonUnreachable with Docker's sentences."""
    try:
        if endpoint.path:
            plain = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            try:
                plain.connect(endpoint.path)
            except BaseException:
                plain.close()
                raise
            return plain
        return _connect_tcp(endpoint)
    except PermissionError as error:
        raise DaemonUnreachable(
            f"permission denied while trying to connect to the havre daemon socket at {endpoint.text}: {error.strerror}"
        ) from error
    except OSError as error:
        raise DaemonUnreachable(_unreachable(endpoint, error)) from error


def _unreachable(endpoint: Endpoint, error: OSError) -> str:
    sentence = f"Cannot connect to the havre daemon at {endpoint.text}. Is the havre daemon running?"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return sentence
    return f"{sentence} ({error})"


def _connect_tcp(endpoint: Endpoint) -> Socket:
    import socket

    stream = socket.create_connection((endpoint.name, endpoint.port), timeout=CONNECT_TIMEOUT)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # An attached container may be silent for hours; a daemon that vanished shall be noticed nevertheless.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if endpoint.tls is None:
        stream.settimeout(None)
        return stream
    from havre.client.tls import TlsSocket

    try:
        secure = TlsSocket(stream, endpoint.name, endpoint.tls)
    except BaseException:
        stream.close()
        raise
    stream.settimeout(None)
    return secure


class Connection:
    """A stream with a read buffer. Everything read here is bounded by the caller: the other end is not trusted.

    A stream that breaks ends like one that was closed: the reader knows what is missing. ``whole`` is False when a
    request was not sent to its end, so that no other can follow on this connection.
    """

    def __init__(self, stream: Socket) -> None:
        self.stream = stream
        self.buffer = bytearray()
        self.whole = True

    def fill(self) -> bool:
        """Read once into the buffer; False at the end of the stream."""
        data = self._receive(_READ)
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Take up to ``size`` bytes, at least one; b"" only at the end of the stream."""
        if not self.buffer:
            return self._receive(min(size, _READ))
        data = bytes(memoryview(self.buffer)[:size])
        del self.buffer[:size]
        return data

    def until(self, mark: bytes, limit: int, what: str) -> bytes:
        """Take everything up to and with ``mark``, at most ``limit`` bytes. ``what`` names it in a ProtocolError."""
        searched = 0
        while (at := self.buffer.find(mark, searched)) < 0:
            searched = max(0, len(self.buffer) - len(mark) + 1)
            if len(self.buffer) > limit:
                raise ProtocolError(f"the daemon's {what} is longer than {limit} bytes")
            if not self.fill():
                raise ProtocolError("the daemon closed the connection in the middle of an answer")
        if at > limit:
            raise ProtocolError(f"the daemon's {what} is longer than {limit} bytes")
        data = bytes(memoryview(self.buffer)[: at + len(mark)])
        del self.buffer[: at + len(mark)]
        return data

    def close(self) -> None:
        self.stream.close()

    def _receive(self, size: int) -> bytes:
        try:
            return self.stream.recv(size)
        except OSError:
            return b""
