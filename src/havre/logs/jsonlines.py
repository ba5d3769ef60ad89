"""Docker's JSON lines against what a client of ``docker logs`` gets. Sans-io."""

import struct

import msgspec

from havre.logs import Selection
from havre.logs.records import stamp

_HEADER = struct.Struct(">BxxxI")
_TIME = 29


class _Entry(msgspec.Struct):
    log: str = ""
    stream: str = ""
    time: str = ""


_DECODER = msgspec.json.Decoder(_Entry)


class JsonLines:
    """The format of ``json-file``: ``{"log": "…\\n", "stream": "stdout", "time": "…Z"}``, one a line. A piece of a
    longer line has no end of line in its text.
    """

    def renderer(self, selection: Selection) -> "JsonRenderer":
        return JsonRenderer(selection)

    def tail_offset(self, block: bytes, wanted: int, *, last: bool = True) -> tuple[int, int]:
        lines = block.split(b"\n")[:-1]
        entries = _decode(block)
        if len(entries) != len(lines):
            # Lines that are no entries count as text without an end.
            entries = [_decode_one(line) or _Entry() for line in lines]
        position, count = len(block), 0
        for number in range(len(lines) - 1, -1, -1):
            # A whole line ends here, or what is being written still: what stands before it is another line.
            if entries[number].log.endswith("\n") or (last and number == len(lines) - 1):
                if count == wanted:
                    return position, count
                count += 1
            position -= len(lines[number]) + 1
        return 0, count


class JsonRenderer:
    """Turns whole lines of JSON into frames or text. It remembers, per stream, whether a line is half done."""

    def __init__(self, selection: Selection) -> None:
        self._since = stamp(selection.since_ns).decode() if selection.since_ns else ""
        self._until = stamp(selection.until_ns).decode() if selection.until_ns else "~"
        self._kinds = {"stdout": 1} if selection.stdout else {}
        if selection.stderr:
            self._kinds["stderr"] = 2
        self._half: dict[str, bool] = {}
        self._timestamps = selection.timestamps
        self._prefix = selection.prefix
        self._framed = selection.framed
        self._plain = not (selection.timestamps or selection.prefix or selection.since_ns or selection.until_ns)
        self.past_until = False

    def render(self, lines: bytes) -> bytes:
        return self._fast(lines) if self._plain else self._full(lines)

    def _fast(self, lines: bytes) -> bytes:
        kinds, framed, pack = self._kinds, self._framed, _HEADER.pack
        parts: list[bytes] = []
        append = parts.append
        for entry in _decode(lines):
            stream = kinds.get(entry.stream)
            if stream is None:
                continue
            text = entry.log.encode()
            if framed:
                append(pack(stream, len(text)))
            append(text)
        return b"".join(parts)

    def _full(self, lines: bytes) -> bytes:
        parts: list[bytes] = []
        for entry in _decode(lines):
            time = entry.time.removesuffix("Z")
            if len(time) != _TIME:
                time = f"{time:0<{_TIME}}" if "." in time else f"{time}.{'0' * 9}"
            if time > self._until:
                self.past_until = True
                break
            starts = not self._half.get(entry.stream, False)
            self._half[entry.stream] = not entry.log.endswith("\n")
            stream = self._kinds.get(entry.stream)
            if stream is None or time < self._since:
                continue
            text = entry.log.encode()
            if starts:
                text = (f"{time}Z ".encode() if self._timestamps else b"") + self._prefix + text
            if self._framed:
                parts.append(_HEADER.pack(stream, len(text)))
            parts.append(text)
        return b"".join(parts)


def _decode(lines: bytes) -> list[_Entry]:
    """All entries; lines that are none, as somebody else may have written, are left out."""
    try:
        return _DECODER.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [entry for line in lines.split(b"\n") if (entry := _decode_one(line)) is not None]


def _decode_one(line: bytes) -> _Entry | None:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
