"""The unpacking child's input: a thread reads, decompresses and hashes the archive ahead of the one that takes it
apart.

The three C functions it spends its time in let the other thread run meanwhile. Imports stay few: the child starts once
a layer. All of them come first, because soon there is no file system to import from. Runs in the child only.
"""

import _thread
import hashlib
import os
from _queue import SimpleQueue
from collections.abc import Callable, Iterator
from typing import Protocol

from isal import igzip_lib

from havre.lib.tarheaders import TarError

try:
    from compression import zstd  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from backports import zstd

_CHUNK = 1 << 20
_AHEAD = 8  # chunks of uncompressed data between the two threads
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class _Decompressor(Protocol):
    """What isal's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Stream:
    """The uncompressed archive in ``fd``, from its start to its end, once.

    ``progress`` is called in the reading thread with the bytes of ``fd`` consumed so far.
    """

    def __init__(self, fd: int, progress: Callable[[int], None]) -> None:
        self._fd = fd
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
        data = next(source, b"")
        opener = _opener(data)
        if opener is None:
            yield from filter(None, (data,))
            yield from source
            return
        while data.strip(b"\0"):  # members follow one another; zeroes may fill up the last block
            if _opener(data) is not opener:
                raise TarError("compressed data is followed by something else")
            decompressor = opener()
            while not decompressor.eof:
                if chunk := decompressor.decompress(data, _CHUNK):
                    yield chunk
                data = b""
                if decompressor.needs_input and not decompressor.eof and not (data := next(source, b"")):
                    raise TarError("compressed data ends too early")
            data = decompressor.unused_data or next(source, b"")
            if len(data) < len(_ZSTD):
                data += next(source, b"")

    def _source(self) -> Iterator[bytes]:
        consumed = 0
        while data := os.read(self._fd, _CHUNK):
            consumed += len(data)
            yield data
            self._progress(consumed)


def _opener(data: bytes) -> Callable[[], _Decompressor] | None:
    if data.startswith(_GZIP):
        return _gzip
    if data.startswith(_ZSTD) or (data[:1] in b"PQRSTUVWXYZ[\\]^_" and data[1:4] == b"\x2a\x4d\x18"):
        return _zstd
    return None


def _gzip() -> _Decompressor:
    decompressor: _Decompressor = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return decompressor


def _zstd() -> _Decompressor:
    decompressor: _Decompressor = zstd.ZstdDecompressor()
    return decompressor
