"""Snapshots on overlayfs: each layer a directory ``snapshots/<number>/fs``, each stack one overlay mount.

Numbers keep the mount options short: 127 layers fit into the page the kernel allows for them. In a layer a deleted file
is a character device 0/0 and a directory that hides what is below it carries ``trusted.overlay.opaque=y``, as the
kernel wants it.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from havre.errors import Conflict, NotFound, SystemFault
from havre.image.snapshots import Snapshot, Usage
from havre.kernel import mounts, overlayfs
from havre.kernel.inodeflags import spread_subdirectories
from havre.kernel.removal import remove_tree
from havre.lib.tasks import TaskOwner
from havre.store.db import Connection, Database
from havre.store.layout import Layout


class OverlaySnapshotter:
    """``Snapshotter`` on overlayfs.

    Needs CAP_SYS_ADMIN, and a data root on a file system with d_type and trusted xattrs.
    """

    def __init__(self, db: Database, layout: Layout) -> None:
        self._db = db
        self._root = layout.snapshots
        self._snapshots: dict[str, Snapshot] = {}
        self._children: dict[str, int] = {}
        self._mounted: dict[str, set[Path]] = {}
        self._going: dict[str, asyncio.Task[None]] = {}
        self._next = 1
        # Of two that want a name at once, one gets it.
        self._naming = asyncio.Lock()
        self._tasks = TaskOwner("snapshots")
        # Deleting may take long: it keeps to one thread, and leaves those of the loop alone.
        self._deleting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="havre-delete")
        self._unmounting = ThreadPoolExecutor(max_workers=4, thread_name_prefix="havre-unmount")

    async def start(self) -> None:
        spread_subdirectories(self._root)
        await asyncio.to_thread(self._probe)
        for snapshot in await self._db.read(_load):
            self._add(snapshot)
        known = {snapshot.number for snapshot in self._snapshots.values()}
        found = {int(name) for name in await asyncio.to_thread(os.listdir, self._root) if name.isdigit()}
        # Deleting goes on in the background, so no new snapshot may get the number of one that is going.
        self._next = max(known | found, default=0) + 1
        for snapshot in [s for s in self._snapshots.values() if s.number not in found]:
            await self._forget(snapshot)
        self._learn_mounts()
        for number in found - known:
            self._delete_later(number)

    async def close(self) -> None:
        await self._tasks.drain()
        self._deleting.shutdown()
        self._unmounting.shutdown()

    async def prepare(self, key: str, parent: str | None) -> Snapshot:
        if key in self._snapshots:
            raise Conflict(f"snapshot {key} already exists")
        if parent is not None and not self._get(parent).committed:
            raise Conflict(f"snapshot {parent} is not committed")
        snapshot = Snapshot(key, parent, False, self._next)
        self._next += 1
        # Known from here on, so that its parent cannot be removed while the record is on its way to disk.
        self._add(snapshot)
        try:
            self._make_directories(snapshot)
            await self._db.write(lambda connection: _insert(connection, snapshot))
        except BaseException:
            self._drop(snapshot)
            self._delete_later(snapshot.number)
            raise
        return snapshot

    async def commit(self, key: str, name: str, usage: Usage) -> Snapshot:
        async with self._naming:
            active = self._get(key)
            if active.committed:
                raise Conflict(f"snapshot {key} is committed already")
            if name in self._snapshots:
                raise Conflict(f"snapshot {name} already exists")
            committed = Snapshot(name, active.parent, True, active.number, usage)
            await self._db.write(lambda connection: _update(connection, committed))
            del self._snapshots[key]
            self._snapshots[name] = committed
            return committed

    async def mount(self, key: str, target: Path, readonly: bool = False, under: Path | None = None) -> None:
        # Two overlays must not work in one directory at the same time.
        if (going := self._going.get(key)) is not None:
            await asyncio.wait([going])
        snapshot = self._get(key)
        if snapshot.committed and not readonly:
            raise Conflict(f"snapshot {key} is committed and can only be mounted readonly")
        if target in self._mounted.get(key, ()):
            return
        stack = [self._fs(number) for number in self._stack(snapshot)]
        if under is not None:
            stack.insert(1, under)
        if readonly:
            overlayfs.mount_stack(target, stack)
        elif len(stack) == 1:
            mounts.bind(stack[0], target, recursive=False)  # an image without layers: nothing to stand on
        else:
            overlayfs.mount_stack(target, stack[1:], stack[0], stack[0].with_name("work"))
        self._mounted.setdefault(key, set()).add(target)

    async def unmount(self, target: Path) -> None:
        keys = [key for key, targets in self._mounted.items() if target in targets]
        for key in keys:
            self._mounted[key].discard(target)
            if not self._mounted[key]:
                del self._mounted[key]
        try:
            fd = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            mounts.unmount(target, detach=True)
        except OSError as error:
            os.close(fd)
            if error.errno != errno.EINVAL:  # nothing was mounted there
                raise
            return
        # With the last reference the kernel writes out the whole file system below, which nobody here waits for.
        task = self._tasks.start(self._let_go(fd, keys), f"unmount {target}")
        self._going.update(dict.fromkeys(keys, task))

    async def remove(self, key: str) -> None:
        snapshot = self._get(key)
        if self._children.get(key):
            raise Conflict(f"snapshot {key} has snapshots standing on it")
        if self._is_mounted(key):
            raise Conflict(f"snapshot {key} is mounted")
        await self._forget(snapshot)
        self._delete_later(snapshot.number)

    async def usage(self, key: str) -> Usage:
        snapshot = self._get(key)
        if snapshot.usage is not None:
            return snapshot.usage
        return await asyncio.to_thread(measure, self._fs(snapshot.number))

    def upper(self, key: str) -> Path:
        return self._fs(self._get(key).number)

    def all(self) -> Mapping[str, Snapshot]:
        return MappingProxyType(self._snapshots)

    def _fs(self, number: int) -> Path:
        return self._root / str(number) / "fs"

    def _get(self, key: str) -> Snapshot:
        try:
            return self._snapshots[key]
        except KeyError:
            raise NotFound(f"snapshot {key} does not exist") from None

    def _stack(self, snapshot: Snapshot) -> list[int]:
        """The numbers of the snapshot and all below it, top first."""
        stack = [snapshot.number]
        while snapshot.parent is not None:
            snapshot = self._get(snapshot.parent)
            stack.append(snapshot.number)
        return stack

    def _make_directories(self, snapshot: Snapshot) -> None:
        base = self._root / str(snapshot.number)
        base.mkdir(mode=0o700)
        fs = base / "fs"
        fs.mkdir(mode=0o755)
        (base / "work").mkdir(mode=0o700)
        if snapshot.parent is not None:
            # The topmost layer decides what the root directory itself is like.
            below = os.stat(self._fs(self._get(snapshot.parent).number))
            os.chown(fs, below.st_uid, below.st_gid)
            os.chmod(fs, below.st_mode & 0o7777)

    def _is_mounted(self, key: str) -> bool:
        """Whether it is still; a start also learns of mounts that others made of ours, and take away themselves."""
        if targets := self._mounted.get(key):
            targets &= {Path(entry.target) for entry in mounts.mountinfo()}
        return bool(targets)

    async def _let_go(self, fd: int, keys: list[str]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._unmounting, os.close, fd)
        for key in keys:
            self._going.pop(key, None)

    def _probe(self) -> None:
        """Make sure, before anything is stored, that this kernel mounts overlays on this file system."""
        probe = self._root / "probe"
        lower, upper, work, merged = (probe / name for name in ("lower", "upper", "work", "merged"))
        if probe.exists():  # a daemon was killed in here
            mounts.unmount_all(merged)
        try:
            for directory in (lower, upper, work, merged):
                directory.mkdir(parents=True, exist_ok=True)
            overlayfs.mount_stack(merged, [lower], upper, work)
            mounts.unmount(merged)
            os.setxattr(upper, overlayfs.OPAQUE, b"y")
        except OSError as error:
            raise SystemFault(f"the data root cannot hold overlay snapshots: {error}") from None
        finally:
            remove_tree(probe)

    def _learn_mounts(self) -> None:
        """Find the mounts an earlier daemon made: their upper directory (or root) lies below ours."""
        by_number = {str(snapshot.number): key for key, snapshot in self._snapshots.items()}
        prefix = f"upperdir={self._root}/"
        for entry in mounts.mountinfo():
            if entry.fstype != "overlay":
                continue
            for option in entry.super_options.split(","):
                if option.startswith(prefix):
                    key = by_number.get(option[len(prefix) :].partition("/")[0])
                    if key is not None:
                        self._mounted.setdefault(key, set()).add(Path(entry.target))

    def _add(self, snapshot: Snapshot) -> None:
        self._snapshots[snapshot.key] = snapshot
        if snapshot.parent is not None:
            self._children[snapshot.parent] = self._children.get(snapshot.parent, 0) + 1

    def _drop(self, snapshot: Snapshot) -> None:
        del self._snapshots[snapshot.key]
        if snapshot.parent is not None:
            self._children[snapshot.parent] -= 1

    async def _forget(self, snapshot: Snapshot) -> None:
        """Drop the record first: files without one are deleted at the next start, whatever happens now."""
        self._drop(snapshot)
        try:
            await self._db.write(lambda connection: _delete_record(connection, snapshot), frees_room=True)
        except BaseException:
            self._add(snapshot)
            raise

    def _delete_later(self, number: int) -> None:
        self._tasks.start(self._delete(number), f"delete {number}")

    async def _delete(self, number: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._deleting, remove_tree, self._root / str(number))


def measure(directory: Path) -> Usage:
    """Walk a layer, and count as Docker does: the sizes of all but directories, what is hard-linked once.

    The container may be running: what vanishes on the way does not count.
    """
    size = inodes = 0
    linked: set[int] = set()
    pending = [os.fspath(directory)]
    while pending:
        for path, status in _entries(pending.pop()):
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)
            elif status.st_nlink > 1 and status.st_ino in linked:
                continue
            else:
                linked.add(status.st_ino)
                size += status.st_size
            inodes += 1
    return Usage(size, inodes)


def _entries(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        try:
            yield path, os.lstat(path)
        except OSError:
            continue


def _load(connection: Connection) -> list[Snapshot]:
    return [
        Snapshot(
            row["key"],
            row["parent"],
            bool(row["committed"]),
            row["number"],
            Usage(row["size"], row["inodes"]) if row["size"] is not None else None,
        )
        for row in connection.execute(
            "SELECT number, key, parent, committed, size, inodes FROM snapshots ORDER BY number"
        )
    ]


def _insert(connection: Connection, snapshot: Snapshot) -> None:
    connection.execute(
        "INSERT INTO snapshots (number, key, parent, committed) VALUES (?, ?, ?, 0)",
        (snapshot.number, snapshot.key, snapshot.parent),
    )


def _update(connection: Connection, snapshot: Snapshot) -> None:
    assert snapshot.usage is not None
    connection.execute(
        "UPDATE snapshots SET key = ?, committed = 1, size = ?, inodes = ? WHERE number = ?",
        (snapshot.key, snapshot.usage.size, snapshot.usage.inodes, snapshot.number),
    )


def _delete_record(connection: Connection, snapshot: Snapshot) -> None:
    connection.execute("DELETE FROM snapshots WHERE number = ?", (snapshot.number,))
