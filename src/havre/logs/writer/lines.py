"""From conmon's records to Docker's messages: whole lines, or pieces of 16 KiB of longer ones. Sans-io.

conmon marks as a part whatever it read without an end of line, however short; Docker puts lines together before it
passes them on. What comes out depends on the bytes alone, not on where they were cut into blocks.
"""

import time as clock
from collections.abc import Callable
from typing import NamedTuple

from havre.logs.writer.position import Half

PIECE = 16384
_HEADER = 45  # "2026-11-25T13:22:17.132552662+00:00 stdout F "


class Message(NamedTuple):
    """``time`` is UTC to the nanosecond, without a zone; ``text`` ends in a newline when the line does. ``piece`` is
    0 for a whole line, else which piece of it this is.
    """

    time: bytes
    stream: bytes
    text: bytes
    piece: int


class Lines:
    """Remembers, per stream, the line that is half read."""

    def __init__(self, out: Half, err: Half) -> None:
        self._half = {b"stdout": out, b"stderr": err}
        self._last = b""
        self._open = bool(out.text or out.pieces or err.text or err.pieces)

    @property
    def halves(self) -> tuple[Half, Half]:
        return self._half[b"stdout"], self._half[b"stderr"]

    def feed(self, block: bytes) -> list[Message]:
        """The messages that ``block``, whole records, completes."""
        messages: list[Message] = []
        append = messages.append
        for line in block.split(b"\n"):
            if line[43:45] == b"F " and line[35:39] == b" std" and not self._open:
                append(Message(line[:29], line[36:42], line[_HEADER:] + b"\n", 0))
            elif line:
                self._slow(line, append)
        return messages

    def flush(self) -> list[Message]:
        """The writer has ended: what is half read stays so."""
        messages = []
        time = self._last or now()
        for stream, half in self._half.items():
            if half.text:
                messages.append(Message(time, stream, half.text, half.pieces and half.pieces + 1))
            self._half[stream] = Half()
        self._open = False
        return messages

    def _slow(self, line: bytes, append: Callable[[Message], None]) -> None:
        if line[35:39] != b" std" or line[42:43] != b" " or line[44:45] != b" ":
            # A record that a full disk cut short, with the next one right behind it.
            start = max(line.rfind(b"+00:00 stdout "), line.rfind(b"+00:00 stderr ")) - 29
            if start <= 0:
                return
            line = line[start:]
        time = self._last = line[:29]
        stream, whole = line[36:42], line[43:44] == b"F"
        half = self._half.get(stream)
        if half is None:
            return
        text, pieces = half.text + line[_HEADER:], half.pieces
        while len(text) >= PIECE:
            pieces += 1
            append(Message(time, stream, text[:PIECE], pieces))
            text = text[PIECE:]
        if whole:
            append(Message(time, stream, text + b"\n", pieces and pieces + 1))
            self._half[stream] = Half()
        else:
            self._half[stream] = Half(text, pieces)
        self._open = any(one.text or one.pieces for one in self._half.values())


def now() -> bytes:
    """The time as messages have it."""
    seconds, rest = divmod(clock.time_ns(), 1_000_000_000)
    return f"{clock.strftime('%Y-%m-%dT%H:%M:%S', clock.gmtime(seconds))}.{rest:09d}".encode()
