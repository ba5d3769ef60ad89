"""Questions as bytes, and answers read independently of the code under test."""

import socket
import struct
from dataclasses import dataclass

A, PTR, MX, TXT, AAAA, ANY = 1, 12, 15, 16, 28, 255
EDNS_4096 = b"\0\0\x29\x10\0\0\0\0\0\0\0"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def ask(name: str, kind: int = A, *, number: int = 7, klass: int = 1, edns: bytes = b"") -> bytes:
    head = struct.pack("!6H", number, 0x100, 1, 0, 0, 1 if edns else 0)
    return head + labels(name) + struct.pack("!HH", kind, klass) + edns


@dataclass(frozen=True)
class Response:
    number: int
    code: int
    truncated: bool
    recursion_available: bool
    name: bytes
    records: list[tuple[int, bytes]]

    @property
    def addresses(self) -> list[str]:
        families = {4: socket.AF_INET, 16: socket.AF_INET6}
        return [socket.inet_ntop(families[len(data)], data) for _, data in self.records]


def read(data: bytes) -> Response:
    number, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", data)
    assert flags & 0x8000 and not authorities and not additional
    at, name = 12, b""
    if questions:
        end = data.index(b"\0", at)
        name, at = data[at:end], end + 5
    records = []
    for _ in range(answers):
        assert data[at : at + 2] == b"\xc0\x0c"
        kind, klass, _, length = struct.unpack_from("!HHLH", data, at + 2)
        assert klass == 1
        records.append((kind, data[at + 12 : at + 12 + length]))
        at += 12 + length
    assert at == len(data)
    return Response(number, flags & 0xF, bool(flags & 0x200), bool(flags & 0x80), name, records)
