"""A blob that arrives: one writes it to a file and many read that file, as far as it has come.

Readers never get the last byte before the whole was verified: whoever has a complete answer has the right content.
"""

import asyncio
import os
import weakref
from pathlib import Path
from typing import BinaryIO

from havre.image.digest import DigestMismatch, Hasher


class Arrival:
    """The blob ``digest``, written to ``path``; ``size`` is what the upstream promised, None until it is known.

    Life: made when the first bytes are to come; ``write`` and in the end ``verify`` or ``fail``; ``read`` at any time,
    by anybody, also after the file has moved to its place: it is closed when nobody has this object any more.
    """

    def __init__(self, path: Path, digest: str, size: int | None) -> None:
        self.digest = digest
        self.size = size
        self.path = path
        self.written = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._hasher = Hasher(digest)
        self._whole = False
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        weakref.finalize(self, os.close, self._fd)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``; blocks for hash and page cache. ``tell`` lets the readers know. Raises ``OSError``."""
        view = memoryview(data)
        self._hasher.update(view)
        position = self.written
        while view:
            count = os.pwrite(self._fd, view, position)
            position += count
            view = view[count:]
        self.written = position

    def tell(self) -> None:
        """Wake the readers: there is more."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def verify(self) -> None:
        """All bytes are on disk and are those of the digest, or ``DigestMismatch``. Blocks for the disk."""
        self.size = self.written if self.size is None else self.size
        if self.written != self.size or self._hasher.digest != self.digest:
            found = f"{self.written} of {self.size} bytes, {self._hasher.digest}"
            raise DigestMismatch(f"content verification failed: expected {self.digest}, got {found}")
        os.fsync(self._fd)

    def release(self) -> None:
        """The content is verified and in its place: readers may have all of it."""
        self._whole = True
        self.tell()

    def fail(self, failure: Exception) -> None:
        """There will be no more; readers that want more get ``failure``. Too late once it was released."""
        self._failure = self._failure or failure
        self.tell()

    def open(self) -> BinaryIO:
        """The file, opened once more: it may have another place by now, or none."""
        return open(f"/proc/self/fd/{self._fd}", "rb")

    async def read(self, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes from ``offset``, as soon as there are any; b"" at the end. For who knows the size."""
        # Written a moment ago: this comes out of the page cache.
        return os.pread(self._fd, min(limit, await self.ready(offset)), offset)

    async def ready(self, offset: int) -> int:
        """How many bytes there are from ``offset``, as soon as there are any; 0 at the end."""
        while True:
            there = self.written if self._whole or self.size is None else min(self.written, self.size - 1)
            if offset < there:
                return there - offset
            if self._whole:
                return 0
            if self._failure is not None:
                raise self._failure
            await self._news.wait()
