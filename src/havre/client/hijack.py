"""A connection taken over from HTTP: raw bytes both ways, with an end of its own in each direction (attach, exec)."""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.client.connection import Connection, Socket

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


class HijackedSocket:
    """The raw stream after the answer's head. ``multiplexed`` is None where the daemon did not say (API before
    1.42).
    """

    def __init__(self, connection: Connection, headers: dict[str, str]) -> None:
        self._stream = connection.stream
        self._left = bytes(connection.buffer)
        connection.buffer.clear()
        self.headers = headers
        kind = headers.get("content-type", "")
        self.multiplexed = kind == MULTIPLEXED if kind.startswith("application/vnd.docker.") else None

    def recv(self, size: int = 65536) -> bytes:
        """What has arrived, first of all what came together with the head; b"" at the end."""
        if self._left:
            data, self._left = self._left, b""
            return data
        return self._stream.recv(size)

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        self._stream.sendall(data)

    def close_write(self) -> None:
        """Say that nothing more will be sent; reading goes on."""
        _quietly(self._stream, _socket.SHUT_WR)

    def abort(self) -> None:
        """End both directions, waking up whoever reads; ``close`` is still due."""
        _quietly(self._stream, _socket.SHUT_RDWR)

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> HijackedSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _quietly(stream: Socket, how: int) -> None:
    try:
        stream.shutdown(how)
    except OSError:
        # The other end is gone already; the reader learns it from its own end.
        pass
