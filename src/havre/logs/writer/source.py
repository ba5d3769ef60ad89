"""Reading conmon's files in order, from a position on, across rotations."""

import os
from pathlib import Path

from havre.logs.segments import NEWEST, rotated


class Source:
    """Where the log writer is in a container's files: ``number`` of the segment and ``offset`` in it.

    The newest file has the number after the last rotated one. A segment is read through its descriptor, so that
    neither a renaming nor a removal takes it away.
    """

    def __init__(self, directory: Path, number: int, offset: int) -> None:
        self.directory = directory
        self.number = number
        self.offset = offset
        self._fd = -1
        self._is_newest = False

    def read(self, limit: int, enough: int | None = None) -> bytes:
        """Whole records from the position on, at most about ``limit`` bytes; ``b""`` when there are none now.

        Less is asked for with ``enough``: no more of them than fit into that, but one at least. The position moves
        behind them, and on to the next file when this one is complete.
        """
        while True:
            if self._fd < 0 and not self._open():
                return b""
            block = os.pread(self._fd, limit, self.offset)
            end = block.rfind(b"\n", 0, enough) + 1 or block.find(b"\n") + 1
            if end:
                self.offset += end
                return block[:end]
            if len(block) == limit:
                # No record is that long: what a full disk cut short goes on here, without an end of line.
                self.offset += len(block)
                continue
            if not self._next():
                return b""

    def backlog(self) -> int:
        """How many bytes wait to be read."""
        total = -self.offset
        for segment in rotated(self.directory):
            if segment.number >= self.number and not segment.compressed:
                total += segment.path.stat().st_size
        try:
            total += (self.directory / NEWEST).stat().st_size
        except FileNotFoundError:
            pass
        return max(total, 0)

    def rewind(self, number: int, offset: int) -> None:
        """Go to another position."""
        self.close()
        self.number, self.offset = number, offset

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        """Open the segment of the position, or the first one behind it."""
        before = rotated(self.directory)
        for segment in before:
            if segment.number >= self.number and not segment.compressed:
                return self._take(segment.path, segment.number, newest=False)
        number = max(self.number, before[-1].number + 1 if before else 1)
        return self._take(self.directory / NEWEST, number, newest=True)

    def _take(self, path: Path, number: int, *, newest: bool) -> bool:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        if number != self.number:
            self.number, self.offset = number, 0
        elif self.offset > os.fstat(self._fd).st_size:
            # Somebody has emptied it.
            self.offset = 0
        self._is_newest = newest
        return True

    def _next(self) -> bool:
        """Go on to the next file, if this one is complete: False when there is nothing behind it."""
        if self._is_newest and self._same(self.directory / NEWEST):
            return False
        later = [one for one in rotated(self.directory) if one.number > self.number and not one.compressed]
        if not later and not (self.directory / NEWEST).exists():
            return False
        # The next name is there, so conmon writes here no more; what it wrote between our look and that is left.
        if os.fstat(self._fd).st_size > self.offset and b"\n" in os.pread(self._fd, 1 << 16, self.offset):
            return True
        self.close()
        self.number, self.offset = self.number + 1, 0
        return True

    def _same(self, path: Path) -> bool:
        try:
            return path.stat().st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False
