"""Taking in an archive that a client sends: its files land in the ingest directory, hashed on the way, under their
names.

Load and import come in here. The bytes come from the event loop; unwrapping and hashing them is done in a thread.
"""

import posixpath
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from havre.errors import InvalidParameter
from havre.image.blobs import BlobStore, Partial
from havre.image.digest import Hasher
from havre.kernel.compression import CompressionError, decompressed
from havre.lib.relay import inflow
from havre.lib.tarheaders import BLOCK, HARD_LINK, REGULAR, SYMLINK, Headers, TarError, clean_name, padding

T = TypeVar("T")

_MOST_FILES = 50_000
_WRITE_OUT = 8 << 20
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file of the archive: where it lies now, and what is in it."""

    path: Path
    digest: str
    size: int

    def read(self, limit: int) -> bytes:
        """All of a small file. ``InvalidParameter`` when it is larger than ``limit`` bytes."""
        if self.size > limit:
            raise InvalidParameter(f"archive member of {self.size} bytes where at most {limit} are expected")
        return self.path.read_bytes()

    def digest_like(self, other: str) -> str:
        """The digest in the algorithm of ``other``. Reads the file when that is not sha256."""
        if other.startswith("sha256:"):
            return self.digest
        hasher = Hasher(other)
        with self.path.open("rb") as file:
            while data := file.read(_READ):
                hasher.update(data)
        return hasher.digest


class Intake:
    """The files of an archive by name (cleaned, as text), and its links, which old archives have between layers."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._links: dict[str, str] = {}

    def find(self, name: str) -> File | None:
        """The file ``name``, through at most a few links."""
        for _ in range(8):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                return None
            name = self._links[name]
        return None

    def keep(self, name: str, file: File) -> None:
        self._files[name] = file
        self._links.pop(name, None)

    def link(self, name: str, target: str) -> None:
        self._links[name] = target
        self._files.pop(name, None)

    def __len__(self) -> int:
        return len(self._files) + len(self._links)


@asynccontextmanager
async def files(chunks: AsyncIterator[bytes], blobs: BlobStore) -> AsyncIterator[Intake]:
    """Receive a tar archive, compressed or not. What nobody has adopted at the end is thrown away.

    Raises ``InvalidParameter`` when it is damaged or no tar archive.
    """
    intake = Intake()
    staged: list[Partial] = []
    try:
        await _received(chunks, lambda source: _files(decompressed(source), blobs, intake, staged))
        yield intake
    finally:
        for partial in staged:
            partial.discard()


@asynccontextmanager
async def single(chunks: AsyncIterator[bytes], blobs: BlobStore) -> AsyncIterator[File]:
    """Receive one file, and keep it decompressed. Not adopted at the end, it is thrown away."""
    partial = blobs.stage()
    try:
        yield await _received(chunks, lambda source: _single(decompressed(source), partial))
    finally:
        partial.discard()


async def _received(chunks: AsyncIterator[bytes], work: Callable[[Iterator[bytes]], T]) -> T:
    try:
        return await inflow(chunks, work, "havre-intake")
    except (TarError, CompressionError) as error:
        raise InvalidParameter(str(error)) from None


def _single(source: Iterator[bytes] | Iterator[memoryview], partial: Partial) -> File:
    with partial:
        unsynced = 0
        for piece in source:
            partial.write(piece)
            unsynced += len(piece)
            if unsynced >= _WRITE_OUT:
                partial.start_writing_out()
                unsynced = 0
        return File(partial.path, partial.digest, partial.offset)


def _files(source: Iterator[bytes], blobs: BlobStore, intake: Intake, staged: list[Partial]) -> None:
    reader = _Reader(source)
    headers = Headers()
    while not headers.ended and (block := reader.block()):
        entry = headers.block(block)
        if headers.wants:
            wanted = headers.wants
            headers.extra(b"".join(reader.pieces(wanted)))
            reader.skip(padding(wanted))
        if entry is None:
            continue
        if len(intake) >= _MOST_FILES:
            raise TarError(f"archive has more than {_MOST_FILES} files")
        name = clean_name(entry.name).decode(errors="replace")
        if entry.type == REGULAR and entry.sparse is None:
            staged.append(partial := blobs.stage())
            intake.keep(name, _single(reader.pieces(entry.size), partial))
        elif entry.type == SYMLINK:
            intake.link(name, posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.link.decode())))
        elif entry.type == HARD_LINK:
            intake.link(name, clean_name(entry.link).decode(errors="replace"))
        reader.skip(entry.size + padding(entry.size) if entry.sparse or entry.type != REGULAR else padding(entry.size))
    for _ in source:
        pass


class _Reader:
    """Exact reads from pieces of any size."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._piece = memoryview(b"")

    def block(self) -> bytes:
        """The next header block; b"" at the end."""
        if not self._piece:
            self._piece = memoryview(next(self._source, b""))
            if not self._piece:
                return b""
        return b"".join(self.pieces(BLOCK))

    def pieces(self, count: int) -> Iterator[memoryview]:
        while count:
            if not self._piece:
                self._piece = memoryview(next(self._source, b""))
                if not self._piece:
                    raise TarError("tar archive ends in the middle of an entry")
            piece, self._piece = self._piece[:count], self._piece[count:]
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass
