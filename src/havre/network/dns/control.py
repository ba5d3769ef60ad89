"""What the daemon and the resolver say to each other: messages of JSON on a Unix socket, each behind its length.

The daemon says ``{"do": …}``: ``hello`` (answered with ``version``, ``pid`` and the containers that are served, each
with the number of its network namespace), ``tables``, ``attach`` (with three descriptors: a UDP and a TCP socket in the
container's network namespace, and that itself), ``upstream``, ``detach``, ``quit``. The resolver says ``log``. A
message counts when it has come whole.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

# Goes up with every change to the messages; the daemon replaces a resolver that says another.
PROTOCOL = 1
DESCRIPTORS = 3
_LENGTH = struct.Struct("!L")


def encode(message: dict[str, Any]) -> bytes:
    """The message as it is sent."""
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Takes bytes as they come."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are whole now. Raises ``ValueError`` for what is none."""
        self._data += data
        found: list[dict[str, Any]] = []
        while len(self._data) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
            if len(self._data) < end:
                break
            message = json.loads(self._data[_LENGTH.size : end])
            if not isinstance(message, dict):
                raise ValueError("not a message")
            found.append(message)
            del self._data[:end]
        return found
