"""ADD of archives: which files are some, and what they hold put into a root file system."""

import os
import stat
from collections.abc import Iterator

from havre.builder.files.placing import Placer
from havre.builder.files.selecting import opened
from havre.kernel.compression import CompressionError, decompressed
from havre.kernel.treextract import Rules, extract
from havre.lib.tarheaders import BLOCK, Headers, TarError

_CHUNK = 256 << 10


def is_archive(tree: int, path: str) -> bool:
    """Whether ``path`` in the tree is a tar archive, compressed or not, by what it begins with."""
    fd = opened(tree, path)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        block = b""
        for piece in decompressed(_pieces(fd, BLOCK * 16)):
            block += piece
            if len(block) >= BLOCK:
                break
        headers = Headers()
        entry = headers.block(block[:BLOCK]) if len(block) >= BLOCK else None
        return entry is not None or headers.wants > 0 or (headers.ended and not any(block))
    except (CompressionError, TarError):
        return False
    finally:
        os.close(fd)


def unpack_into(placer: Placer, tree: int, path: str, target: str, owner: tuple[int, int] | None) -> None:
    """Put what the archive ``path`` holds below the directory ``target``; ``owner`` None: whom the archive names.

    Raises ``InvalidParameter`` for a damaged one.
    """
    fd = opened(tree, path)
    try:
        with placer.open(target) as directory:
            extract(_pieces(fd, _CHUNK), directory, Rules(owner, False, target))
    finally:
        os.close(fd)


def _pieces(fd: int, size: int) -> Iterator[bytes]:
    """The content of the file that ``fd`` names."""
    with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as file:
        while data := file.read(size):
            yield data
