"""journald's native protocol: one datagram a message, with Docker's fields.

Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ and dockerd's documentation of its journald driver.
"""

import errno
import logging
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from havre.logs.writer.lines import Message

log = logging.getLogger(__name__)

SOCKET = "/run/systemd/journal/socket"
_PATIENCE = 10.0


class Journald:
    """``config`` has ``fields``, name to value, that every message carries."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._constant = b"".join(_field(name, value.encode()) for name, value in config["fields"].items())
        self._socket: socket.socket | None = None
        # Names the long line whose pieces belong together.
        self._line: dict[bytes, str] = {}

    def connect(self) -> None:
        self.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(SOCKET)
        except OSError:
            connection.close()
            raise OSError("journald is not enabled on this host") from None
        self._socket = connection

    def send(self, messages: Sequence[Message]) -> None:
        if self._socket is None:
            self.connect()
        assert self._socket is not None
        for message in messages:
            if message.text == b"\n" and not message.piece:
                continue
            try:
                self._socket.send(self._datagram(message))
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                log.warning("journald takes no message as long as this one: %d bytes are lost", len(message.text))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _datagram(self, message: Message) -> bytes:
        ended = message.text.endswith(b"\n")
        priority = b"3" if message.stream == b"stderr" else b"6"
        text = message.text[:-1] if ended else message.text
        fields = _field("MESSAGE", text) + _field("PRIORITY", priority) + self._constant
        fields += _field("SYSLOG_TIMESTAMP", message.time + b"Z")
        if message.piece:
            if message.piece == 1:
                self._line[message.stream] = os.urandom(32).hex()
            fields += _field("CONTAINER_PARTIAL_ID", self._line.get(message.stream, "").encode())
            fields += _field("CONTAINER_PARTIAL_ORDINAL", b"%d" % message.piece)
            fields += _field("CONTAINER_PARTIAL_LAST", b"true" if ended else b"false")
            if not ended:
                fields += _field("CONTAINER_PARTIAL_MESSAGE", b"true")
        return fields


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return b"%b=%b\n" % (name.encode(), value)
