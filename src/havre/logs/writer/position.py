"""How far the log writer got with a container, kept in a file that survives being killed at any instant.

The file has two slots, written in turns; the newer one that is whole counts.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_SLOT = 65536
_HEAD = struct.Struct("<II")  # checksum and length of what follows
_BODY = struct.Struct("<QQQQQQIIII")


@dataclass(frozen=True, slots=True)
class Half:
    """The beginning of a line whose end has not come: its bytes, and how many pieces of it went out already."""

    text: bytes = b""
    pieces: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """Everything before ``offset`` of segment ``number`` is taken on, but for the lines that are half read.

    For a target that is a file: ``inode`` names it and ``size`` is what it held then; of what comes from here on,
    ``done`` bytes stand in files before it. What it holds beyond that, it holds already when it is taken up again.
    """

    number: int = 1
    offset: int = 0
    inode: int = 0
    size: int = 0
    done: int = 0
    out: Half = Half()
    err: Half = Half()


class PositionFile:
    """One container's position on disk."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = 0

    def load(self) -> Position:
        """The last position committed; the beginning when there is none."""
        newest = Position()
        for slot in (0, 1):
            data = os.pread(self._fd, _SLOT, slot * _SLOT)
            if len(data) < _HEAD.size:
                continue
            checksum, length = _HEAD.unpack_from(data)
            body = data[_HEAD.size : _HEAD.size + length]
            if len(body) == length and length >= _BODY.size and zlib.crc32(body) == checksum:
                turn, position = _decode(body)
                if turn > self._turn:
                    self._turn, newest = turn, position
        return newest

    def commit(self, position: Position) -> None:
        """Remember it."""
        self._turn += 1
        body = _encode(self._turn, position)
        os.pwrite(self._fd, _HEAD.pack(zlib.crc32(body), len(body)) + body, self._turn % 2 * _SLOT)

    def close(self) -> None:
        os.close(self._fd)


def _encode(turn: int, one: Position) -> bytes:
    numbers = (turn, one.number, one.offset, one.inode, one.size, one.done)
    halves = (len(one.out.text), one.out.pieces, len(one.err.text), one.err.pieces)
    return _BODY.pack(*numbers, *halves) + one.out.text + one.err.text


def _decode(body: bytes) -> tuple[int, Position]:
    turn, number, offset, inode, size, done, out, out_pieces, err, err_pieces = _BODY.unpack_from(body)
    text = body[_BODY.size :]
    halves = Half(text[:out], out_pieces), Half(text[out : out + err], err_pieces)
    return turn, Position(number, offset, inode, size, done, *halves)
