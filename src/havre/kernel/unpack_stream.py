"""The unpacking child's input: a thread reads, decompresses and hashes the archive ahead of the one taking it apart.

The three C functions it spends its time in let the other thread run meanwhile. Imports stay few: the child starts once
a layer. Runs in the child only.
"""

from __future__ import annotations

import _thread
import hashlib
import os
from _queue import SimpleQueue

from havre.kernel.compression import CHUNK, members
from havre.lib.tarheaders import TarError

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all the rest the unpacking child needs
    from collections.abc import Callable, Iterator

    from havre.kernel.compression import Opener

_AHEAD = 8  # chunks of uncompressed data between the two threads


class Stream:
    """The uncompressed archive in ``fd``, once, to its end. ``head`` is what has been read of it already.

    ``opening`` is what decompresses it, if anything. ``progress`` is called in the reading thread with the bytes of
    ``fd`` consumed so far.
    """

    def __init__(self, fd: int, head: bytes, opening: Opener | None, progress: Callable[[int], None]) -> None:
        self._fd = fd
        self._head = head
        self._opening = opening
        self._progress = progress
        self._hash = hashlib.sha256()
        self._full: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(_AHEAD):
            self._free.put(None)
        self._buffer = b""
        self._at = 0
        _thread.start_new_thread(self._run, ())

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes; ``TarError`` when the archive ends before."""
        end = self._at + count
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return b"".join(self.pieces(count))

    def block(self, size: int) -> bytes | None:
        """``size`` bytes, or None at the archive's end."""
        if self._at == len(self._buffer) and not self._next():
            return None
        return self.read(size)

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes in parts as they come, not copied."""
        while count:
            if self._at == len(self._buffer) and not self._next():
                raise TarError("tar archive ends in the middle of an entry")
            piece = memoryview(self._buffer)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        end = self._at + count
        if end <= len(self._buffer):
            self._at = end
            return
        for _ in self.pieces(count):
            pass

    def finish(self) -> str:
        """Read what is left after the archive's end, and return the digest of everything uncompressed."""
        while self._next():
            pass
        return "sha256:" + self._hash.hexdigest()

    def _next(self) -> bool:
        chunk = self._full.get()
        if isinstance(chunk, BaseException):
            raise chunk
        self._free.put(None)
        self._buffer, self._at = chunk, 0
        if not chunk:
            self._full.put(b"")  # and stays at the end
        return bool(chunk)

    def _run(self) -> None:
        try:
            for chunk in self._chunks():
                self._hash.update(chunk)
                self._free.get()
                self._full.put(chunk)
            self._full.put(b"")
        except BaseException as error:
            self._full.put(error)

    def _chunks(self) -> Iterator[bytes]:
        source = self._source()
        return source if self._opening is None else members(source, self._opening)

    def _source(self) -> Iterator[bytes]:
        consumed = 0
        data = self._head
        while data:
            consumed += len(data)
            yield data
            self._progress(consumed)
            data = os.read(self._fd, CHUNK)
