"""Blobs as files: ``blobs/<algorithm>/<hex>``, uploads in ``uploads/<id>`` on the same file system.

A blob gets its name, in one step, after its bytes are on disk; the directory is synced before ``commit`` returns.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import BinaryIO

from havre.kernel.mounts import start_writing_out
from havre.registry.errors import UploadInvalid
from havre.store.files import sync_directory

_PIECE = 1 << 20


class FileContent:
    """A blob that is open, as a file."""

    address: str | None = None

    def __init__(self, file: BinaryIO) -> None:
        self.file: BinaryIO | None = file
        self._descriptor = file.fileno()
        self.size = os.fstat(self._descriptor).st_size

    async def ready(self, start: int, length: int) -> int:
        return length

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        while length > 0:
            data = await asyncio.to_thread(os.pread, self._descriptor, min(length, _PIECE), start)
            if not data:
                return
            start, length = start + len(data), length - len(data)
            yield data

    async def close(self) -> None:
        assert self.file is not None
        self.file.close()


class FilesystemStorage:
    """The content storage on a local file system."""

    def __init__(self, blobs: Path, uploads: Path) -> None:
        self._blobs = blobs
        self._uploads = uploads
        for directory in (*(blobs / algorithm for algorithm in ("sha256", "sha512")), uploads):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (blobs, blobs.parent):
            sync_directory(directory)

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def open(self, digest: str) -> FileContent | None:
        try:
            return FileContent(self._path(digest).open("rb"))
        except FileNotFoundError:
            return None

    async def size(self, digest: str) -> int | None:
        return _size(self._path(digest))

    async def delete(self, digest: str) -> int:
        return await asyncio.to_thread(_delete, self._path(digest))

    async def contents(self) -> AsyncIterator[tuple[str, int, float]]:
        for algorithm in ("sha256", "sha512"):
            for entry in os.scandir(self._blobs / algorithm):
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                yield f"{algorithm}:{entry.name}", status.st_size, status.st_mtime

    async def begin(self, upload: str) -> None:
        os.close(os.open(self._uploads / upload, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    async def offset(self, upload: str) -> int | None:
        return _size(self._uploads / upload)

    async def write(self, upload: str, offset: int, data: list[bytes]) -> None:
        await asyncio.to_thread(_write, self._uploads / upload, offset, data)

    async def truncate(self, upload: str, offset: int) -> None:
        descriptor = os.open(self._uploads / upload, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _refuse_committed(descriptor)
            os.ftruncate(descriptor, offset)
        finally:
            os.close(descriptor)

    async def read(self, upload: str) -> AsyncIterator[bytes]:
        with (self._uploads / upload).open("rb", buffering=0) as file:
            while data := await asyncio.to_thread(file.read, _PIECE):
                yield data

    async def commit(self, upload: str, digest: str) -> None:
        await asyncio.to_thread(_commit, self._uploads / upload, self._path(digest))

    async def adopt(self, path: Path, digest: str) -> None:
        await asyncio.to_thread(_adopt, path, self._path(digest))

    async def drop(self, upload: str) -> None:
        await asyncio.to_thread((self._uploads / upload).unlink, missing_ok=True)

    async def uploads(self) -> AsyncIterator[tuple[str, float]]:
        for entry in os.scandir(self._uploads):
            try:
                yield entry.name, entry.stat().st_mtime
            except FileNotFoundError:
                continue

    def _path(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self._blobs / algorithm / value


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _delete(path: Path) -> int:
    size = _size(path)
    path.unlink(missing_ok=True)
    return size or 0


def _write(path: Path, offset: int, data: list[bytes]) -> None:
    # No O_CREAT: an upload that was dropped does not come back.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _refuse_committed(descriptor)
        for piece in data:
            view = memoryview(piece)
            while view:
                written = os.pwrite(descriptor, view, offset)
                offset, view = offset + written, view[written:]
        start_writing_out(descriptor)
    finally:
        os.close(descriptor)


def _refuse_committed(descriptor: int) -> None:
    """A commit that came to no end has left a blob with the same bytes: they must stay as they are."""
    if os.fstat(descriptor).st_nlink > 1:
        raise UploadInvalid("the upload is complete already")


def _commit(upload: Path, final: Path) -> None:
    descriptor = os.open(upload, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _size(final) == os.fstat(descriptor).st_size:
            return
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    # A second name, not another: until the catalog knows the blob, a crash must leave an upload to go on with.
    final.unlink(missing_ok=True)
    final.hardlink_to(upload)
    sync_directory(final.parent)


def _adopt(path: Path, final: Path) -> None:
    if _size(final) != path.stat().st_size:
        path.rename(final)
        sync_directory(final.parent)
