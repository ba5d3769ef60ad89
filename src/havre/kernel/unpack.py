"""Unpacking a layer into a directory, in a child process that cannot leave it.

The daemon's half: it starts the child (``unpack_child``) with the blob as its standard input, listens to its progress,
and ends it when nobody wants the result any more. The layer store comes in here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Limits:
    """What one layer may take: ``entries`` in its archive, ``size`` in bytes of content."""

    entries: int = 4_000_000
    size: int = 256 << 30


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was in a layer: the digest of the uncompressed archive, bytes of file content, number of inodes made."""

    diff_id: str
    size: int
    inodes: int


async def unpack(
    blob: BinaryIO,
    target: Path,
    below: Sequence[Path],
    limits: Limits,
    progress: Callable[[int], None] | None = None,
) -> Unpacked:
    """Unpack the archive ``blob`` (gzip, zstd or plain tar: its first bytes tell) into the empty directory ``target``.

    ``below`` are the layers under it, top first. ``progress`` is told the bytes of ``blob`` consumed so far.
    """
    raise NotImplementedError
