"""The attach socket of conmon: the container's output as packets, its input as bytes.

It is a SEQPACKET socket. A packet from conmon starts with one byte, 2 for stdout and 3 for stderr; packets to conmon
are plain input. Half-closing our side closes the container's stdin (unless conmon was told to keep it). conmon closes
the socket when the process has ended and all its output is out.
"""

import os
import socket
from pathlib import Path

from havre.errors import NotFound
from havre.kernel.descriptors import readable, writable

# conmon reads input into a buffer of 8 KiB or more and a longer packet would be cut.
_INPUT_PACKET = 8000
_OUTPUT_PACKET = 65536
# Packets taken in one go before others get a turn: 64 × 8 KiB.
_BATCH = 64


class StdioSocket:
    """One connection to a container's (or exec's) stdio."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    @classmethod
    def connect(cls, bundle: Path) -> "StdioSocket":
        """Connect to ``bundle/attach``; ``NotFound`` when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        # By way of the directory's descriptor: the path may be longer than the 107 bytes of a socket address.
        directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory}/attach")
        except OSError:
            connection.close()
            raise NotFound("the container is not running") from None
        finally:
            os.close(directory)
        return cls(connection)

    async def read(self) -> list[bytes]:
        """The next packets, at least one; an empty list at the end of the stream."""
        packets: list[bytes] = []
        receive = self._socket.recv
        while len(packets) < _BATCH:
            try:
                packet = receive(_OUTPUT_PACKET)
            except BlockingIOError:
                if packets:
                    break
                await readable(self._socket.fileno())
                continue
            except ConnectionResetError:
                # The process ended with input unread. The kernel says so once, before it hands out the output that is
                # still there.
                continue
            if not packet:
                break
            packets.append(packet)
        return packets

    async def write(self, data: bytes) -> None:
        """Hand ``data`` to stdin, waiting while the process does not read. ``ConnectionError`` once it has ended."""
        view = memoryview(data)
        for start in range(0, len(view), _INPUT_PACKET):
            while True:
                try:
                    self._socket.send(view[start : start + _INPUT_PACKET])
                    break
                except BlockingIOError:
                    await writable(self._socket.fileno())

    def end_input(self) -> None:
        """Close the container's stdin."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()
