"""Decompressing streams: gzip, zstd, bzip2 and xz, told by their first bytes. Layers and whole archives come in here.

gzip goes through isal, twice as fast as zlib. All of the work is done in C with the interpreter's lock released.
"""

from __future__ import annotations

from itertools import chain

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all the rest the unpacking child needs
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    class Decompressor(Protocol):
        """What the decompressors of all formats have in common: one member (or frame) each, as ``bz2`` and ``lzma``."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    Opener = Callable[[], Decompressor]

CHUNK = 1 << 20
_HEAD = 6  # bytes enough to tell all formats
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\0"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte of 0x50 to 0x5f


class CompressionError(ValueError):
    """Compressed data is damaged or ends too early."""


def opener(head: bytes) -> Opener | None:
    """What decompresses data that begins with ``head`` (6 bytes or more); None for data not compressed.

    Whatever must be imported for it has been when this returns.
    """
    if head.startswith(_GZIP):
        from isal import igzip_lib

        return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] & 0xF0 == 0x50):
        return _zstd().ZstdDecompressor  # type: ignore[no-any-return]
    if head.startswith(_BZIP2):
        from bz2 import BZ2Decompressor

        return BZ2Decompressor
    if head.startswith(_XZ):
        from lzma import LZMADecompressor

        return LZMADecompressor
    return None


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd
    return zstd


def zstd_compressed(write: Callable[[bytes], None]) -> tuple[Callable[[bytes], None], Callable[[], None]]:
    """What takes data to be compressed on its way to ``write``, and what ends it."""
    compressor = _zstd().ZstdCompressor()

    def take(data: bytes) -> None:
        if made := compressor.compress(data):
            write(made)

    def end() -> None:
        if made := compressor.flush():
            write(made)

    return take, end


def decompressed(source: Iterator[bytes]) -> Iterator[bytes]:
    """The data of ``source`` (pieces of any size), decompressed if it is compressed; pieces of at most 1 MB then.

    Members that follow one another are taken as one. Raises ``CompressionError``.
    """
    head, source = peek(source)
    opening = opener(head)
    return source if opening is None else members(source, opening)


def peek(source: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of ``source``, enough for ``opener``, and the whole of it again."""
    head = b""
    while len(head) < _HEAD and (more := next(source, b"")):
        head += more
    return head[:_HEAD], chain((head,) if head else (), source)


def members(source: Iterator[bytes], opening: Opener) -> Iterator[bytes]:
    """The decompressed data of ``source``, all of whose members are of the format of ``opening``."""
    data = next(source, b"")
    while True:
        decompressor = opening()
        while not decompressor.eof:
            try:
                piece = decompressor.decompress(data, CHUNK)
            except Exception as error:  # each format has errors of its own
                raise CompressionError(f"compressed data is damaged: {error}") from None
            if piece:
                yield piece
            data = b""
            if decompressor.needs_input and not decompressor.eof and not (data := next(source, b"")):
                raise CompressionError("compressed data ends too early")
        data = decompressor.unused_data
        while not data.strip(b"\0"):  # a tape's last block may be filled up with zeroes
            data = next(source, b"")
            if not data:
                return
