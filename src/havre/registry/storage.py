"""Where the bytes of blobs lie: the Protocol that each of ``storages/`` implements.

Life of a blob: ``begin`` makes an upload, ``write`` appends to it in any number of requests, ``commit`` gives the bytes
their name; from then on ``open`` finds them, until ``delete``. Which repository may hand out a blob is the catalog's
business, not the storage's; so is who may write to an upload, and that only one does at a time.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import BinaryIO, Protocol


class Content(Protocol):
    """A blob that is open for reading. ``file``, where there is one, can be sent by the kernel; ``address``, where
    there is one, is a URL clients can have it from for a while."""

    size: int
    address: str | None
    file: BinaryIO | None

    async def ready(self, start: int, length: int) -> int:
        """How many of ``length`` bytes from ``start`` are in ``file``: waits until there are any. 0 at the end."""

    def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start``, ``length`` of them, in pieces of at most a megabyte."""

    async def close(self) -> None:
        """Give up what keeps it open."""


class ContentStorage(Protocol):
    """Blobs by digest, and uploads on their way to be one. Started before anything else is asked of it."""

    async def start(self) -> None:
        """Find what the last process left. Raises ``Unavailable`` when the storage is out of reach."""

    async def close(self) -> None:
        """End what is open."""

    async def open(self, digest: str) -> Content | None:
        """The blob, or None. To be closed by the caller."""

    async def size(self, digest: str) -> int | None:
        """Bytes of the blob, or None when there is none."""

    async def delete(self, digest: str) -> int:
        """Remove the blob and return the bytes it held; 0 when there is none."""

    def contents(self) -> AsyncIterator[tuple[str, int, float]]:
        """Every blob: digest, bytes, and when it was committed (seconds since the epoch)."""

    async def begin(self, upload: str) -> None:
        """Make the empty upload ``upload``, a name of hexadecimal digits that is new."""

    async def offset(self, upload: str) -> int | None:
        """The bytes that are here of the upload, or None when there is no such upload (any more)."""

    async def write(self, upload: str, offset: int, data: list[bytes]) -> None:
        """Write ``data`` at ``offset``, which is where the upload stands.

        Raises ``UploadInvalid`` when it was committed, and would change the blob.
        """

    async def truncate(self, upload: str, offset: int) -> None:
        """Forget what is behind ``offset``."""

    def read(self, upload: str) -> AsyncIterator[bytes]:
        """The bytes of the upload so far, in pieces of at most a megabyte: to hash them anew."""

    async def commit(self, upload: str, digest: str) -> None:
        """Make the bytes of the upload, known to be those of ``digest``, that blob. On disk when it returns, also after
        power loss. A blob that is there already stays as it is. The upload stays as long as it can, until ``drop``:
        it may be committed again after a crash."""

    async def adopt(self, path: Path, digest: str) -> None:
        """Make a file that is on disk, and known to be the content of ``digest``, that blob; as durable as ``commit``.
        The file is gone, or of no more use, and is on the file system of the registry's root."""

    async def drop(self, upload: str) -> None:
        """Remove the upload, if there is one."""

    def uploads(self) -> AsyncIterator[tuple[str, float]]:
        """Every upload, and when it was last written to (seconds since the epoch)."""
