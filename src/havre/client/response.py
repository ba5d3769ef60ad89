"""An HTTP/1.1 answer on a connection: the head, and a body by content-length, in chunks, or up to the end."""

from __future__ import annotations

from havre.client.errors import ProtocolError
from havre.client.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from havre.client.connection import Connection

HEAD_LIMIT = 65536
LINE_LIMIT = 256
BODY_LIMIT = 512 * 1024 * 1024
_PIECE = 65536
_BODILESS = (204, 304)


class Response:
    """One answer. ``headers`` has lower-case names. The body can be read once, in whichever way; reading it to its end
    gives the connection back to the client, ``close`` before that closes the connection."""

    def __init__(self, connection: Connection, method: str, release: Callable[[Connection, bool], None]) -> None:
        self._connection = connection
        self._release: Callable[[Connection, bool], None] | None = release
        self.status, self.headers, persistent = read_head(connection)
        self._persistent = persistent
        if method == "HEAD" or self.status in _BODILESS:
            self._body: Iterator[bytes] = iter(())
        elif self.status == 101:
            self._body = iter(())
            self._persistent = False
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._body = _chunked(connection)
        elif "content-length" in self.headers:
            self._body = _counted(connection, _length(self.headers["content-length"]))
        else:
            self._persistent = False
            self._body = _to_the_end(connection)

    def iter_chunks(self) -> Iterator[bytes]:
        """The body as it arrives. Raises ProtocolError if it is cut off."""
        try:
            yield from self._body
        except BaseException:
            self.close()
            raise
        self._finish(self._persistent)

    def read(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body, at most ``limit`` bytes."""
        parts: list[bytes] = []
        size = 0
        for part in self.iter_chunks():
            size += len(part)
            if size > limit:
                self.close()
                raise ProtocolError(f"the daemon's answer is longer than {limit} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def json(self) -> Any:
        """The whole body as JSON. Raises ProtocolError where it is none."""
        data = self.read()
        try:
            return loads(data)
        except ValueError as error:
            raise ProtocolError(f"the daemon's answer is not JSON: {error}") from error

    def detach(self) -> Connection:
        """Take the connection over (after an upgrade); the client no longer knows it."""
        self._release = None
        return self._connection

    def limit(self, seconds: float) -> None:
        """Let reading the body end, as if it were cut off, when nothing comes for so long."""
        self._connection.stream.settimeout(seconds)

    def close(self) -> None:
        self._finish(False)

    def _finish(self, reusable: bool) -> None:
        if self._release is not None:
            release, self._release = self._release, None
            release(self._connection, reusable and not self._connection.buffer)

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_head(connection: Connection) -> tuple[int, dict[str, str], bool]:
    """Status, headers and whether the connection stays open; informational answers (100, 103) are passed over."""
    while True:
        head = connection.until(b"\r\n\r\n", HEAD_LIMIT, "answer's head").decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        version, _, rest = status_line.partition(" ")
        code = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not (code.isascii() and code.isdigit() and len(code) == 3):
            raise ProtocolError(f"not an HTTP answer: {status_line[:80]!r}")
        status = int(code)
        if status >= 200 or status == 101:
            headers = _headers(lines)
            tokens = headers.get("connection", "").lower()
            persistent = "close" not in tokens if version == "HTTP/1.1" else "keep-alive" in tokens
            return status, headers, persistent


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ProtocolError(f"bad header line: {line[:80]!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ProtocolError(f"bad content-length: {text[:80]!r}")
    return int(text)


def _counted(connection: Connection, length: int) -> Iterator[bytes]:
    while length:
        data = connection.take(min(length, _PIECE))
        if not data:
            raise ProtocolError("the daemon closed the connection in the middle of an answer")
        length -= len(data)
        yield data


def _chunked(connection: Connection) -> Iterator[bytes]:
    while True:
        line = connection.until(b"\r\n", LINE_LIMIT, "chunk size")
        digits = line.split(b";", 1)[0].strip()
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError(f"bad chunk size: {line[:40]!r}")
        size = int(digits, 16)
        if size == 0:
            break
        yield from _counted(connection, size)
        if connection.until(b"\r\n", LINE_LIMIT, "chunk end") != b"\r\n":
            raise ProtocolError("a chunk is longer than it says")
    trailers = 0
    while (line := connection.until(b"\r\n", HEAD_LIMIT, "trailer")) != b"\r\n":
        trailers += len(line)
        if trailers > HEAD_LIMIT:
            raise ProtocolError(f"the daemon's trailers are longer than {HEAD_LIMIT} bytes")


def _to_the_end(connection: Connection) -> Iterator[bytes]:
    while data := connection.take(_PIECE):
        yield data
