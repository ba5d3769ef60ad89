"""Log records as conmon writes them: ``<time> <stream> <F|P> <text>``, one a line, times of fixed width in UTC.
Sans-io.

``P`` marks a part of a longer line: what follows on the same stream belongs to it. The time is 35 characters
("2026-11-25T13:22:17.132552662+00:00"), so that every field has its place and lines need no parsing.
"""

import struct
from datetime import UTC, datetime

from havre.logs import Selection

TIME = 29  # "2026-11-25T13:22:17.132552662": sorts as text
_KIND = 39  # the "o" of stdout or the "e" of stderr
_FLAG = 43
TEXT = 45
_OUT, _ERR, _PART = ord("o"), ord("e"), ord("P")
_HEADER = struct.Struct(">BxxxI")


def stamp(ns: int) -> bytes:
    """A time as records carry it."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}".encode()


class Records:
    """The format of conmon's files."""

    def renderer(self, selection: Selection) -> "Renderer":
        return Renderer(selection)

    def tail_offset(self, block: bytes, wanted: int, *, last: bool = True) -> tuple[int, int]:
        return tail_offset(block, wanted, last=last)


class Renderer:
    """Turns whole lines of a log into what the client gets. It remembers, per stream, whether a line is half done."""

    def __init__(self, selection: Selection) -> None:
        self._since = stamp(selection.since_ns) if selection.since_ns else b""
        self._until = stamp(selection.until_ns) if selection.until_ns else b"~"
        kinds = [(_OUT, 1)] * selection.stdout + [(_ERR, 2)] * selection.stderr
        self._kinds = dict(kinds)
        self._half: dict[int, bool] = {}
        self._timestamps = selection.timestamps
        self._prefix = selection.prefix
        self._framed = selection.framed
        plain = not (selection.timestamps or selection.prefix or selection.since_ns or selection.until_ns)
        self._render = self._fast if plain else self._full
        # Set once a record lies behind ``until``: nothing later can be selected.
        self.past_until = False

    def render(self, lines: bytes) -> bytes:
        """What the client gets of ``lines``."""
        return self._render(lines)

    def _fast(self, lines: bytes) -> bytes:
        kinds, framed, pack = self._kinds, self._framed, _HEADER.pack
        headers: dict[tuple[int, int], bytes] = {}
        parts: list[bytes] = []
        append = parts.append
        for line in lines.splitlines(keepends=True) if b"\r" not in lines else _split(lines):
            if len(line) <= TEXT:
                continue
            stream = kinds.get(line[_KIND])
            if stream is None:
                continue
            text = line[TEXT:] if line[_FLAG] != _PART else line[TEXT:-1]
            if framed:
                key = (stream, len(text))
                header = headers.get(key)
                if header is None:
                    header = headers[key] = pack(stream, len(text))
                append(header)
            append(text)
        return b"".join(parts)

    def _full(self, lines: bytes) -> bytes:
        parts: list[bytes] = []
        for line in _split(lines):
            if len(line) <= TEXT:
                continue
            time, kind, part = line[:TIME], line[_KIND], line[_FLAG] == _PART
            stream = self._kinds.get(kind)
            if time > self._until:
                self.past_until = True
                break
            starts = not self._half.get(kind, False)
            self._half[kind] = part
            if stream is None or time < self._since:
                continue
            text = line[TEXT:-1] if part else line[TEXT:]
            if starts:
                text = (time + b"Z " if self._timestamps else b"") + self._prefix + text
            if self._framed:
                parts.append(_HEADER.pack(stream, len(text)))
            parts.append(text)
        return b"".join(parts)


def _split(lines: bytes) -> list[bytes]:
    # bytes.splitlines would also split at a carriage return, which is text here.
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]


def tail_offset(block: bytes, wanted: int, *, last: bool = True) -> tuple[int, int]:
    """Where the last ``wanted`` lines of ``block`` (whole records) begin, and how many lines it holds from there."""
    end, count = len(block), 0
    position = end
    while position > 0:
        start = block.rfind(b"\n", 0, position - 1) + 1
        # A whole line ends at an F record; a part before it belongs to it, a part at the very end is a line of its own.
        if block[start + _FLAG : start + _FLAG + 1] != b"P" or (last and position == end):
            if count == wanted:
                return position, count
            count += 1
        position = start
    return 0, count
