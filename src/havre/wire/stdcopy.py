"""The frames in which stdout and stderr share one stream (attach, exec and logs without a terminal).

A frame is eight bytes of header (stream number, three zeros, length big-endian) and the payload.
"""

STDIN = 0
STDOUT = 1
STDERR = 2
SYSTEMERR = 3
HEADER = 8
# The length field allows 4 GiB; real daemons send frames of some ten kilobytes.
LONGEST = 1 << 30


def header(stream: int, length: int) -> bytes:
    """The header of a frame of ``length`` payload bytes."""
    return bytes((stream, 0, 0, 0)) + length.to_bytes(4, "big")


def frame(stream: int, data: bytes) -> bytes:
    """A whole frame."""
    return header(stream, len(data)) + data


class Demuxer:
    """Takes frames apart, however the bytes were cut on their way. Payloads are passed on as they arrive, without
    waiting for the end of their frame, and without copying where possible.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(stream number, piece of payload) for what ``data`` completes.

        Raises ValueError for a header that is none, and a stream that would be longer than ``LONGEST``.
        """
        out: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while at < end:
            if self._left:
                until = min(end, at + self._left)
                out.append((self._stream, data[at:until]))
                self._left -= until - at
                at = until
            elif not self._head and end - at >= HEADER:
                self._begin(data[at : at + HEADER])
                at += HEADER
            else:
                missing = HEADER - len(self._head)
                self._head += data[at : at + missing]
                at += missing
                if len(self._head) == HEADER:
                    self._begin(bytes(self._head))
                    self._head.clear()
        return out

    @property
    def complete(self) -> bool:
        """Whether the stream may end here: no header and no payload is cut off."""
        return not self._left and not self._head

    def _begin(self, head: bytes) -> None:
        stream = head[0]
        length = int.from_bytes(head[4:], "big")
        if stream > SYSTEMERR or head[1:4] != b"\0\0\0":
            raise ValueError(f"unrecognized stream: {stream}")
        if length > LONGEST:
            raise ValueError(f"a frame of {length} bytes is too long")
        self._stream = stream
        self._left = length
