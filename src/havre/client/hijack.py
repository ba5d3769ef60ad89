"""A connection taken over from HTTP: raw bytes both ways, with an end of its own in each direction (attach, exec)."""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.client.connection import Connection

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

    def recv_waiting(self) -> bytes:
        """What came together with the head and would not make ``fileno`` readable; b"" if nothing."""
        data, self._left = self._left, b""
        return data

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        self._stream.sendall(data)

    def close_write(self) -> None:
        """Say that nothing more will be sent; reading goes on."""
        try:
            self._stream.shutdown(_socket.SHUT_WR)
        except OSError:
            # The other end is gone already; the reader learns it from its own end.
            pass

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> HijackedSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
