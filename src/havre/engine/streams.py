"""Byte streams between the engine and whoever holds the connection: the REST door implements them over a hijacked
socket.
"""

from typing import Protocol


class Duplex(Protocol):
    """A client's connection, both ways. One reader and one writer at a time."""

    async def read(self) -> bytes:
        """The next bytes from the client; ``b""`` once it has closed its sending side (half-close) or is gone."""

    async def write(self, data: bytes) -> None:
        """Send ``data``, waiting while the client is slow. ``ConnectionResetError`` when it is gone."""

    async def write_eof(self) -> None:
        """Send the end of the stream; the client may go on sending."""

    def close(self) -> None:
        """Drop the connection."""
