"""Streams of JSON values: one a line, or one behind the other with nothing between, cut anywhere by the transport.

Docker's progress, event and log streams are made of these. No I/O here: bytes go in, objects come out.
"""

import codecs
import json

_DECODER = json.JSONDecoder()
_NUMBER = "+-.eE0123456789"
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


class Decoder:
    """Collects bytes and gives each value once it is whole. A decoder serves one stream."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[object]:
        """Take bytes in, give back the values they complete. Raises ValueError when the stream is not JSON."""
        new = self._text.decode(data)
        buffer, self._rest = self._rest + new, ""
        values: list[object] = []
        start = 0
        while (start := _skip_space(buffer, start)) < len(buffer):
            try:
                value, end = _DECODER.raw_decode(buffer, start)
            except json.JSONDecodeError as error:
                if not _incomplete(error, buffer):
                    raise
                break
            except RecursionError:
                raise ValueError("JSON nested too deeply") from None
            # A number at the very end may go on in the next piece.
            if type(value) in (int, float) and not buffer[end:].strip(_NUMBER):
                break
            values.append(value)
            start = end
        self._rest = buffer[start:]
        return values

    def close(self) -> list[object]:
        """The end of the stream: the last value, if only the end makes it whole. Raises ValueError on half a value."""
        values = self.feed(b"\n")
        if self._rest.strip():
            raise ValueError("unexpected end of JSON input")
        return values


def encode(value: object) -> bytes:
    """One value as a line of compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _skip_space(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _incomplete(error: json.JSONDecodeError, buffer: str) -> bool:
    """Whether more bytes could still make a value of what could not be decoded."""
    rest = buffer[error.pos :]
    if not rest.strip(" \t\r\n") or error.msg.startswith("Unterminated string"):
        return True
    if error.msg.startswith("Invalid \\"):
        return len(rest) < len("\\uD83D\\uDE00")
    if not rest.strip(_NUMBER):
        return True
    return error.msg == "Expecting value" and any(word.startswith(rest) for word in _WORDS)
