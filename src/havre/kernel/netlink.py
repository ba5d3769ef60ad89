"""Netlink, hand-packed: messages, attributes and the socket. ``rtnetlink`` and ``conntrack`` build on it.

A socket belongs for ever to the network namespace its thread was in when it was opened, so one process configures many
namespaces without entering them. Layouts are those of linux/netlink.h.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")

_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_SOL_NETLINK, _EXT_ACK = 270, 11
_EXT_ACK_MESSAGE = 1
_RECEIVE = 1 << 17


class NetlinkError(OSError):
    """The kernel refused a request; ``errno`` is its reason, the text names the request."""

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, slots=True)
class Request:
    """One message without its header; ``what`` names it in errors, errnos in ``tolerate`` count as done."""

    kind: int
    flags: int
    body: bytes
    what: str
    tolerate: frozenset[int] = frozenset()


def attribute(kind: int, payload: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """An attribute of 32 bits in the host's byte order."""
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in ``data`` by kind; of one that comes twice, the last."""
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


class NetlinkSocket:
    """A netlink socket of the namespace it was opened in. Blocking; one thread at a time; a context manager."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def execute(self, *requests: Request) -> None:
        """Do all ``requests`` in order, in one system call; a refused one does not stop the later ones.

        Raises the first refusal as ``NetlinkError``.
        """
        if not requests:
            return
        first = self._sequence + 1
        parts = [self._message(each.kind, _ACK | each.flags, each.body) for each in requests]
        self._socket.send(b"".join(parts))
        waiting, failure = len(requests), None
        while waiting:
            for kind, sequence, payload in messages(self._socket.recv(_RECEIVE)):
                if kind != _ERROR or sequence < first:
                    continue
                waiting -= 1
                request = requests[sequence - first]
                code = -_CODE.unpack_from(payload)[0]
                if code and code not in request.tolerate and failure is None:
                    failure = NetlinkError(code, f"cannot {request.what}: {os.strerror(code)}{_reason(payload)}")
        if failure is not None:
            raise failure

    def ask(self, kind: int, body: bytes, what: str) -> bytes:
        """The one message that answers. Raises ``NetlinkError``."""
        self._socket.send(self._message(kind, 0, body))
        return next(self._answers(what))

    def dump(self, kind: int, body: bytes, what: str) -> list[bytes]:
        """All messages of a listing. Raises ``NetlinkError``."""
        self._socket.send(self._message(kind, _DUMP, body))
        return list(self._answers(what))

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0) + body

    def _answers(self, what: str) -> Iterator[bytes]:
        while True:
            for kind, sequence, payload in messages(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    code = -_CODE.unpack_from(payload)[0]
                    raise NetlinkError(code, f"cannot {what}: {os.strerror(code)}{_reason(payload)}")
                yield payload


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Split what was received into (kind, sequence, payload)."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _reason(payload: bytes) -> str:
    """The kernel's own sentence (extended acknowledgement), where it gives one."""
    # The refused request follows the error code; the kernel's attributes follow that.
    length = struct.unpack_from("=I", payload, _CODE.size)[0]
    given = attributes(payload[_CODE.size + ((length + 3) & ~3) :])
    sentence = given.get(_EXT_ACK_MESSAGE, b"").rstrip(b"\0").decode(errors="replace")
    return f" ({sentence})" if sentence else ""
