"""Layers: blobs unpacked into committed snapshots, each under its chain id, each only once.

Pull, load and import come in here after they have the blob, commit with a container's files.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from havre.errors import Conflict, HavreError, InvalidParameter, NotFound, SystemFault
from havre.image import digest as digests
from havre.image.blobs import BlobStore, Partial
from havre.image.digest import DigestMismatch
from havre.image.manifest import Descriptor
from havre.image.snapshots import Snapshotter, Usage
from havre.kernel import mounts
from havre.kernel.treelayer import LayerCopy, archive_layer, copy_layer
from havre.kernel.unpack import Limits, Unpacked, unpack
from havre.lib.ids import new_id
from havre.lib.relay import settled
from havre.lib.tasks import TaskOwner, together

Progress = Callable[[int], None]
Unpacker = Callable[[BinaryIO, Path, Sequence[Path], Limits, Progress], Awaitable[Unpacked]]
UNPACKING = "unpack-"
_WRITE_OUT = 8 << 20
MOST_LAYERS = 127  # what a mount surely takes; images of Docker have fewer


class Standstill(Protocol):
    """Keeps files from being changed while they are read."""

    async def begin(self) -> None: ...
    async def end(self) -> None: ...


class LayerStore:
    """Turns layer blobs into snapshots. Two requests for the same layer share one unpacking."""

    def __init__(
        self, blobs: BlobStore, snapshotter: Snapshotter, limits: Limits | None = None, unpacker: Unpacker = unpack
    ) -> None:
        self._blobs = blobs
        self._snapshotter = snapshotter
        self._limits = limits or Limits()
        self._unpack_into = unpacker
        self._running: dict[str, _Work] = {}
        self._tasks = TaskOwner("layers")

    async def start(self) -> None:
        """Remove what a killed daemon was unpacking."""
        for key in [key for key in self._snapshotter.all() if key.startswith(UNPACKING)]:
            await self._snapshotter.remove(key)

    async def close(self) -> None:
        """Break off what is being unpacked."""
        await self._tasks.close()

    def exists(self, chain_id: str) -> bool:
        """Whether the stack of layers is unpacked already."""
        snapshot = self._snapshotter.all().get(chain_id)
        return snapshot is not None and snapshot.committed

    def usage(self, chain_id: str) -> Usage:
        """What the top layer of the stack takes. Raises ``NotFound``."""
        snapshot = self._snapshotter.all().get(chain_id)
        if snapshot is None or snapshot.usage is None:
            raise NotFound(f"layer {chain_id} is not unpacked")
        return snapshot.usage

    async def ensure(
        self,
        parent: str | None,
        diff_id: str,
        blob: Descriptor,
        progress: Progress | None = None,
        source: Path | None = None,
    ) -> str:
        """Unpack ``blob`` on the stack ``parent``, unless it is there already, and return the new stack's chain id.

        The blob must be in the store (or lie, verified, at ``source``). ``progress`` is told the bytes of it consumed.
        Raises ``DigestMismatch`` when its content is not ``diff_id``, ``InvalidParameter`` when it is no sound layer.
        On return the layer is on disk. Cancelled, it stops the work unless somebody else waits for it too.
        """
        chain_id = digests.chain_id(parent, digests.checked(diff_id))
        if self.exists(chain_id):
            return chain_id
        work = self._running.get(chain_id)
        if work is None:
            if len(below(self._snapshotter, parent)) >= MOST_LAYERS:
                raise InvalidParameter("max depth exceeded")
            work = self._running[chain_id] = _Work()
            path = source or self._blobs.path(blob.digest)
            work.task = self._tasks.start(self._run(parent, diff_id, chain_id, path, work), f"unpack {chain_id}")
            work.task.add_done_callback(lambda _: self._running.pop(chain_id, None))
        await work.wait(progress)
        return chain_id

    async def _run(self, parent: str | None, diff_id: str, chain_id: str, path: Path, work: "_Work") -> None:
        try:
            await self._unpack(parent, diff_id, chain_id, path, work)
        except HavreError as error:  # for those who wait; anything else is a fault of ours, for the log as well
            work.failure = error

    async def _unpack(self, parent: str | None, diff_id: str, chain_id: str, path: Path, work: "_Work") -> None:
        key = UNPACKING + new_id()
        await self._snapshotter.prepare(key, parent)
        try:
            target, lower = self._snapshotter.upper(key), below(self._snapshotter, parent)
            with path.open("rb") as blob:
                unpacked = await self._unpack_into(blob, target, lower, self._limits, work.report)
            if unpacked.diff_id != diff_id:
                raise DigestMismatch(f"layer content is {unpacked.diff_id}, but the image names it {diff_id}")
            await asyncio.to_thread(mounts.syncfs, target)
            await self._publish(key, chain_id, Usage(unpacked.size, unpacked.inodes))
        except BaseException:
            await self._snapshotter.remove(key)
            raise

    async def capture(
        self, parent: str | None, source: Path, without: Collection[str], blob: Partial, still: Standstill
    ) -> "Captured":
        """Copy the files at ``source``, which are in the snapshots' own format, to a layer on the stack ``parent``.

        Their archive is written to ``blob``. Paths in ``without`` are left out. ``still`` has begun on return, and is
        the caller's to end. The layer is to be handed to ``keep`` or ``drop``. ``SystemFault`` when it cannot be made.
        """
        if len(below(self._snapshotter, parent)) >= MOST_LAYERS:
            raise InvalidParameter("max depth exceeded")
        key = UNPACKING + new_id()
        try:
            await together(self._snapshotter.prepare(key, parent), still.begin())
            target = self._snapshotter.upper(key)
            made = await settled(lambda: _copy(source, target, without, blob), lambda _: None)
            return Captured(key, parent, blob.digest, blob.offset, Usage(made.size, made.inodes))
        except BaseException:
            await self._drop(key)
            raise

    async def seal(self, key: str, parent: str | None, without: Collection[str], blob: Partial) -> "Captured":
        """Make a layer of the active snapshot ``key`` on the stack ``parent`` as it is: nobody writes to it any more.

        Otherwise as ``capture``; the snapshot itself is what is kept or dropped.
        """
        if len(below(self._snapshotter, parent)) >= MOST_LAYERS:
            raise InvalidParameter("max depth exceeded")
        made = await settled(lambda: _archive(self._snapshotter.upper(key), without, blob), lambda _: None)
        return Captured(key, parent, blob.digest, blob.offset, Usage(made.size, made.inodes))

    async def sync(self, captured: "Captured") -> None:
        """Put the files of a captured layer on disk, and what else was written to that file system before."""
        await asyncio.to_thread(mounts.syncfs, self._snapshotter.upper(captured.key))

    async def keep(self, captured: "Captured") -> None:
        """Make a captured layer one like all others. Its files are on disk."""
        chain_id = digests.chain_id(captured.parent, captured.digest)
        await self._publish(captured.key, chain_id, captured.usage)

    async def drop(self, captured: "Captured") -> None:
        """Throw a captured layer away, unless it was kept."""
        await self._drop(captured.key)

    async def _drop(self, key: str) -> None:
        try:
            await self._snapshotter.remove(key)
        except NotFound:
            pass

    async def _publish(self, key: str, chain_id: str, usage: Usage) -> None:
        """Commit an unpacked layer, unless the same one has come from elsewhere meanwhile."""
        try:
            await self._snapshotter.commit(key, chain_id, usage)
        except Conflict:
            if not self.exists(chain_id):
                raise
            await self._snapshotter.remove(key)


def below(snapshotter: Snapshotter, parent: str | None) -> list[Path]:
    """The directories of all layers from ``parent`` down."""
    known = snapshotter.all()
    directories: list[Path] = []
    while parent is not None:
        if parent not in known:
            raise Conflict(f"layer {parent} was removed meanwhile")
        directories.append(snapshotter.upper(parent))
        parent = known[parent].parent
    return directories


@dataclass(frozen=True, slots=True)
class Captured:
    """A layer made of a container's files: its archive's digest and size, and what it takes. ``key`` is the store's."""

    key: str
    parent: str | None
    digest: str
    size: int
    usage: Usage

    @property
    def empty(self) -> bool:
        return not self.usage.inodes


def _copy(source: Path, target: Path, without: Collection[str], blob: Partial) -> LayerCopy:
    with _directory(source) as reading, _directory(target) as writing:
        return copy_layer(reading, writing, without, _writing_out(blob))


def _archive(source: Path, without: Collection[str], blob: Partial) -> LayerCopy:
    with _directory(source) as reading:
        return archive_layer(reading, without, _writing_out(blob))


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise SystemFault(f"cannot make a layer of the container's files: {error}") from error


def _writing_out(blob: Partial) -> Callable[[bytes], None]:
    """Writes to ``blob``, and lets the disk begin early."""
    unwritten = 0

    def write(data: bytes) -> None:
        nonlocal unwritten
        blob.write(data)
        unwritten += len(data)
        if unwritten >= _WRITE_OUT:
            blob.start_writing_out()
            unwritten = 0

    return write


class _Work:
    """One unpacking under way and those who wait for it."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.failure: HavreError | None = None
        self._listeners: list[Progress] = []
        self._waiting = 0

    def report(self, consumed: int) -> None:
        for listener in self._listeners:
            listener(consumed)

    async def wait(self, progress: Progress | None) -> None:
        assert self.task is not None
        if progress is not None:
            self._listeners.append(progress)
        self._waiting += 1
        try:
            await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if progress is not None:
                self._listeners.remove(progress)
            if not self._waiting and not self.task.done():
                self.task.cancel()
                await asyncio.wait([self.task])
        if self.failure is not None:
            raise self.failure
