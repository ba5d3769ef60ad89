"""Sending a body of unknown length in chunks, while watching for an answer that comes before its end.

The daemon may refuse early, or report progress while it still reads; were its answer left unread, both ends would
wait for the other to make room.
"""

from __future__ import annotations

import select

from havre.client.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from havre.client.connection import Connection

_READ_AHEAD = 64 * 1024 * 1024


def send_chunked(connection: Connection, stream: Iterable[bytes]) -> None:
    """Send every piece of ``stream`` as a chunk; stops early when the daemon has answered with an error."""
    stream_socket = connection.stream
    poll = select.poll()
    poll.register(stream_socket.fileno(), select.POLLIN)
    for piece in stream:
        if not piece:
            continue
        stream_socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        if poll.poll(0):
            if not connection.fill() or _refused(connection.buffer):
                connection.whole = False
                return
            if len(connection.buffer) > _READ_AHEAD:
                raise ProtocolError(f"the daemon answered more than {_READ_AHEAD} bytes during an upload")
    stream_socket.sendall(b"0\r\n\r\n")


def _refused(buffer: bytearray) -> bool:
    return buffer.startswith(b"HTTP/1.") and bytes(buffer[9:10]) in (b"4", b"5")
