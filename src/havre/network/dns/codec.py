"""DNS messages (RFC 1035, 6891) as bytes. No I/O, and as much of the protocol as a resolver of containers needs."""

from __future__ import annotations

import struct

A, PTR, AAAA, ANY = 1, 12, 28, 255
INTERNET = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED = 0, 1, 2, 4, 5
# Docker's: short enough for addresses that move, long enough for caches to be of use.
TTL = 600
UDP_SIZE = 512
STREAM_SIZE = 65535
HEADER_SIZE = 12

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHLH")
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x200, 0x100, 0x80
_OPCODE = 0x7800
_LABEL, _NAME = 63, 255
_OPT = 41
# The name of an answer is that of the question, which starts where the header ends.
_SAME_NAME = b"\xc0\x0c"


class Malformed(ValueError):
    """A message that no answer can be given to but its own number and an error."""


class Query:
    """A question: ``name`` in small letters without its last dot, ``question`` its bytes as they came.

    ``size`` is how much the asker takes in one datagram.
    """

    __slots__ = ("kind", "klass", "name", "number", "question", "recursion", "size")

    def __init__(
        self, number: int, recursion: bool, name: str, kind: int, klass: int, question: bytes, size: int
    ) -> None:
        self.number = number
        self.recursion = recursion
        self.name = name
        self.kind = kind
        self.klass = klass
        self.question = question
        self.size = size


def parse(data: bytes) -> Query:
    """The question in ``data``; ``Malformed`` when there is no such."""
    if len(data) < HEADER_SIZE:
        raise Malformed("too short")
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags & (_RESPONSE | _OPCODE) or questions != 1:
        raise Malformed("not one question")
    name, end = _name(data, HEADER_SIZE)
    if len(data) < end + 4:
        raise Malformed("cut off")
    kind, klass = struct.unpack_from("!HH", data, end)
    end += 4
    size = UDP_SIZE
    if additional and not answers and not authorities:
        size = _payload_size(data, end)
    return Query(number, bool(flags & _RECURSION_DESIRED), name, kind, klass, data[HEADER_SIZE:end], size)


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    start = at
    while True:
        if at >= len(data):
            raise Malformed("cut off")
        length = data[at]
        at += 1
        if not length:
            break
        # Questions come first: there is nothing before them that a compressed name could point to.
        if length > _LABEL or at + length > len(data) or at + length - start >= _NAME:
            raise Malformed("a label too long")
        label = data[at : at + length].lower().decode("latin-1")
        # No container's name holds a dot within a label.
        labels.append(label.replace(".", "\\."))
        at += length
    return ".".join(labels), at


def _payload_size(data: bytes, at: int) -> int:
    if len(data) >= at + 11 and data[at] == 0:
        kind, size = struct.unpack_from("!HH", data, at + 1)
        if kind == _OPT:
            return max(UDP_SIZE, int(size))
    return UDP_SIZE


def encode_name(name: str) -> bytes:
    """``name`` as labels; ``Malformed`` when it cannot be one."""
    encoded = b""
    for label in name.split("."):
        word = label.encode("latin-1", "replace")
        if not 0 < len(word) <= _LABEL:
            raise Malformed(f"no name: {name}")
        encoded += bytes((len(word),)) + word
    if len(encoded) >= _NAME:
        raise Malformed(f"no name: {name}")
    return encoded + b"\0"


def answer(query: Query, records: list[tuple[int, bytes]], size: int) -> bytes:
    """The response with ``records`` (type and data), as many as go into ``size`` bytes."""
    body = query.question
    count, truncated = 0, 0
    for kind, data in records:
        record = _SAME_NAME + _RECORD.pack(kind, INTERNET, TTL, len(data)) + data
        if HEADER_SIZE + len(body) + len(record) > size:
            truncated = _TRUNCATED
            break
        body += record
        count += 1
    flags = _RESPONSE | _RECURSION_AVAILABLE | truncated | (_RECURSION_DESIRED if query.recursion else 0)
    return _HEADER.pack(query.number, flags, 1, count, 0, 0) + body


def failure(query: Query, code: int) -> bytes:
    """The response that says nothing but ``code``."""
    flags = _RESPONSE | code | (_RECURSION_DESIRED if query.recursion else 0)
    return _HEADER.pack(query.number, flags, 1, 0, 0, 0) + query.question


def complaint(data: bytes) -> bytes | None:
    """The response to what ``parse`` could not read; None when silence is right: to responses, and to scraps."""
    if len(data) < HEADER_SIZE or data[2] & 0x80:
        return None
    number, flags = struct.unpack_from("!HH", data)
    code = NOT_IMPLEMENTED if flags & _OPCODE else FORMAT_ERROR
    return _HEADER.pack(number, _RESPONSE | flags & (_OPCODE | _RECURSION_DESIRED) | code, 0, 0, 0, 0)


def numbered(data: bytes, number: int) -> bytes:
    """The message with another number."""
    return struct.pack("!H", number) + data[2:]


def answers(data: bytes, number: int, query: Query) -> bool:
    """Whether ``data`` is a response to ``query`` as it was asked under ``number``."""
    if len(data) < HEADER_SIZE:
        return False
    given, flags, questions = struct.unpack_from("!HHH", data)
    if given != number or not flags & _RESPONSE:
        return False
    # Some servers leave the question out of errors.
    if questions == 0:
        return bool(flags & 0xF)
    found = data[HEADER_SIZE : HEADER_SIZE + len(query.question)]
    return found.lower() == query.question.lower()


def code(data: bytes) -> int:
    """What kind of response it is."""
    return data[3] & 0xF


def truncated(data: bytes) -> bool:
    """Whether the response says that there is more."""
    return bool(data[2] & 0x02)


def cut(data: bytes, query: Query) -> bytes:
    """The response without its records, marked as truncated: for an asker who has no room for it."""
    flags = struct.unpack_from("!H", data, 2)[0] | _TRUNCATED
    return _HEADER.pack(query.number, flags, 1, 0, 0, 0) + query.question
