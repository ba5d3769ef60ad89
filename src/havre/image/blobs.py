"""The content store: every blob (layer, configuration, manifest) under its digest, verified before it gets its name.

A blob on its way in lies in ``ingest/`` and keeps what it has when it is broken off, by a cut line or by the daemon's
end, so that the next attempt resumes. It moves to ``blobs/<algorithm>/<hex>`` only complete, verified and on disk: what
has a name here is whole, also after power loss. Pulls, loads and imports come in here.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from havre.errors import NotFound
from havre.image import digest as digests
from havre.image.digest import DigestMismatch, Hasher
from havre.image.partials import STAGED, PartialLimits, PartialStore
from havre.kernel.mounts import start_writing_out
from havre.lib.ids import new_id
from havre.lib.turns import Turns
from havre.store.files import sync_directory
from havre.store.layout import Layout

_READ = 1 << 20


class Partial:
    """A blob on its way in.

    ``offset`` bytes of it are here already; ``write`` appends. One writer a digest at a time.
    """

    def __init__(self, path: Path, digest: str | None) -> None:
        self._path = path
        self._digest = digest
        self._hasher = Hasher(digest or "sha256")
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "ab", buffering=0)
        self.offset = 0

    @property
    def path(self) -> Path:
        """Where the bytes lie until ``commit``."""
        return self._path

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``. Blocks for as long as hashing and a page-cache write take (about 1 ms a megabyte)."""
        view = memoryview(data)
        self._hasher.update(view)
        while view:
            written = self._file.write(view)
            self.offset += written
            view = view[written:]

    def truncate(self) -> None:
        """Forget all bytes: the sender cannot resume where this ends."""
        os.ftruncate(self._file.fileno(), 0)
        self._hasher = Hasher(self._digest or "sha256")
        self.offset = 0

    @property
    def digest(self) -> str:
        """The digest of the bytes written so far."""
        return self._hasher.digest

    def check(self, size: int | None = None) -> None:
        """Raise ``DigestMismatch`` unless the bytes are those promised; they are then of no use and are forgotten."""
        if size is not None and self.offset != size:
            found, self_size = f"{self.offset} bytes", f"{size} bytes"
        elif self._digest is not None and self.digest != self._digest:
            found, self_size = self.digest, self._digest
        else:
            return
        self.truncate()
        raise DigestMismatch(f"content verification failed: expected {self_size}, got {found}")

    def resume(self) -> None:
        """Take in what an earlier attempt left. Blocks while it is read and hashed."""
        with self._path.open("rb") as file:
            while data := file.read(_READ):
                self._hasher.update(data)
                self.offset += len(data)

    def start_writing_out(self) -> None:
        """Let the disk begin on what has been written."""
        start_writing_out(self._file.fileno())

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        """Close, and remove the bytes unless they were committed or adopted."""
        self.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BlobStore:
    """Blobs of one daemon by digest."""

    def __init__(self, layout: Layout, limits: PartialLimits | None = None) -> None:
        self._blobs = layout.blobs
        self._ingest = layout.ingest
        # One writer of a blob at a time.
        self._turns = Turns()
        self.partials = PartialStore(layout.ingest, limits or PartialLimits(), self._turns.__contains__)

    def path(self, digest: str) -> Path:
        """Where the blob lies, or would lie. Raises ``InvalidParameter`` for what is no digest."""
        algorithm, _, value = digests.checked(digest).partition(":")
        return self._blobs / algorithm / value

    def exists(self, digest: str) -> bool:
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        """Bytes of the blob. Raises ``NotFound``."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"content {digest}: not found") from None

    def open(self, digest: str) -> BinaryIO:
        """The blob, opened for reading from its start. Raises ``NotFound``."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"content {digest}: not found") from None

    def read(self, digest: str, limit: int) -> bytes:
        """The whole of a small blob.

        Raises ``NotFound``, and ``DigestMismatch`` when it is larger than ``limit`` bytes.
        """
        with self.open(digest) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise DigestMismatch(f"content {digest} is larger than {limit} bytes")
        return data

    def touch(self, digest: str) -> None:
        """Note that the blob is of use now: what is unreferenced is kept for a while after its last use."""
        os.utime(self.path(digest))

    async def add(self, data: bytes, digest: str | None = None) -> str:
        """Store a small blob and return its digest; ``digest`` is the one promised. Durable on return."""
        found = digests.of(data) if digest is None or digest.startswith("sha256:") else _hash_as(digest, data)
        if digest is not None and found != digest:
            raise DigestMismatch(f"content verification failed: expected {digest}, got {found}")
        path = self.path(found)
        async with self._turns.of(found):
            if not path.exists():
                await asyncio.to_thread(self._write_small, path, data)
        return found

    @asynccontextmanager
    async def partial(self, digest: str) -> AsyncIterator[Partial | None]:
        """The blob ``digest`` on its way in, with what an earlier attempt left; None when it is complete already.

        Waits for another writer of the same blob. Left without ``commit``, the bytes stay for the next attempt, within
        the bounds of ``partials``.
        """
        final = self.path(digest)
        try:
            async with self._turns.of(digest):
                if final.exists():
                    self.touch(digest)
                    yield None
                    return
                partial = await asyncio.to_thread(_open_partial, self.partials.path(digest), digest)
                try:
                    yield partial
                finally:
                    partial.close()
        finally:
            self.partials.bound()

    def stage(self) -> Partial:
        """A blob whose digest is known only at its end. It is gone at the next start unless adopted."""
        return Partial(self._ingest / f"{STAGED}{new_id()}", None)

    @asynccontextmanager
    async def staged(self) -> AsyncIterator[Partial]:
        """A blob as from ``stage``, gone at the end unless adopted."""
        partial = self.stage()
        try:
            yield partial
        finally:
            partial.discard()

    async def commit(self, partial: Partial, size: int | None = None) -> str:
        """Verify ``partial`` against its digest (and ``size``), put it on disk under its name, and return the digest.

        Raises ``DigestMismatch``; the bytes are gone then.
        """
        partial.check(size)
        digest = partial.digest
        await asyncio.to_thread(self._publish, partial, self.path(digest))
        return digest

    async def adopt(self, path: Path, digest: str) -> None:
        """Give the staged bytes at ``path``, known to be those of ``digest``, that name, and put them on disk.

        They stay at ``path`` as well, until their ``discard``.
        """
        final = self.path(digest)
        if final.exists():
            self.touch(digest)
        else:
            await asyncio.to_thread(_adopt, path, final)

    def delete(self, digest: str) -> int:
        """Remove a blob and return the bytes it held; 0 when there is none."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def all(self) -> list[str]:
        """The digests of all blobs."""
        return [
            f"{algorithm.name}:{entry.name}"
            for algorithm in os.scandir(self._blobs)
            for entry in os.scandir(algorithm.path)
        ]

    def unused(self, used: set[str], older_than: float) -> list[tuple[str, int]]:
        """Blobs (digest, bytes) not in ``used`` and not touched for ``older_than`` seconds."""
        horizon = time.time() - older_than
        found: list[tuple[str, int]] = []
        for algorithm in os.scandir(self._blobs):
            for entry in os.scandir(algorithm.path):
                digest = f"{algorithm.name}:{entry.name}"
                status = entry.stat()
                if digest not in used and status.st_mtime <= horizon:
                    found.append((digest, status.st_size))
        return found

    def left_behind(self) -> list[str]:
        """Blobs that an operation adopted which was cut short: their staged bytes are still there as well.

        To be called before those are dropped.
        """
        staged = (entry for entry in os.scandir(self._ingest) if entry.name.startswith(STAGED))
        inodes = {entry.inode() for entry in staged if entry.stat().st_nlink > 1}
        if not inodes:
            return []
        return [
            f"{algorithm.name}:{entry.name}"
            for algorithm in os.scandir(self._blobs)
            for entry in os.scandir(algorithm.path)
            if entry.inode() in inodes
        ]

    def drop_staged(self) -> None:
        """Remove what cannot be carried on. To be called while nothing is being staged."""
        for entry in os.scandir(self._ingest):
            if entry.name.startswith(STAGED):
                Path(entry.path).unlink(missing_ok=True)

    def _write_small(self, path: Path, data: bytes) -> None:
        # Not beside its final place: what a killed daemon leaves half written is cleared away from the ingest
        # directory.
        with self.stage() as staged:
            try:
                staged.write(data)
                self._publish(staged, path)
            except BaseException:
                staged.discard()
                raise

    def _publish(self, partial: Partial, final: Path) -> None:
        partial.sync()
        final.parent.mkdir(exist_ok=True, mode=0o711)
        partial.path.rename(final)
        sync_directory(final.parent)


def _open_partial(path: Path, digest: str) -> Partial:
    partial = Partial(path, digest)
    partial.resume()
    return partial


def _adopt(path: Path, final: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    final.parent.mkdir(exist_ok=True, mode=0o711)
    try:
        final.hardlink_to(path)
    except FileExistsError:
        return
    sync_directory(final.parent)


def _hash_as(digest: str, data: bytes) -> str:
    hasher = Hasher(digest)
    hasher.update(data)
    return hasher.digest
