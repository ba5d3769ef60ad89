"""The layer of a container, in overlayfs' format, as a layer of an image: written as an archive with the whiteouts of
the OCI image-spec, and copied at the same time to the directory of a new snapshot. ``docker commit`` comes in here.

One reading serves both, so that what is pushed is what is run, whatever the container changes meanwhile. Works in a
thread, with the rules of ``treetar``: it holds descriptors and never follows a link of the container's.

The builder's steps have ended when their layers are read, and become snapshots as they are: those are only archived.
"""

import os
import stat
from collections.abc import Callable, Collection

from havre.kernel import overlayfs
from havre.kernel.mounts import start_writing_out
from havre.kernel.treerules import LISTING, NEW, OPAQUE_NAME, WHITEOUT_PREFIX, bounded, is_tolerated
from havre.kernel.treetar import Level, Walk
from havre.lib.tarheaders import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
)

_WHITEOUT_MODE = 0o600  # as Docker's
_HOLE = 64 << 10
_SECOND = 1_000_000_000
_KINDS = {CHAR_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}


class LayerCopy:
    """What came of it: ``size`` in bytes of files and links, ``inodes`` made; 0 of both for an empty layer."""

    def __init__(self) -> None:
        self.size = 0
        self.inodes = 0


def copy_layer(upper: int, target: int, without: Collection[str], write: Callable[[bytes], None]) -> LayerCopy:
    """Write the layer at the directory ``upper`` as an archive, and copy it to the empty directory ``target``.

    Paths in ``without`` (from the layer's root) are left out, and so are files whose names would mean deletions. Nobody
    else may be writing to ``target``; its own owner and mode stay. ``write`` gets chunks of at most 1 MB and may block.
    ``OSError`` for what cannot be read or made.
    """
    walk = _Layer(upper, target, frozenset(without), write)
    try:
        walk.enter(upper, "", b"", os.fstat(upper))
        walk.run()
    finally:
        walk.close()
    return walk.made


def archive_layer(upper: int, without: Collection[str], write: Callable[[bytes], None]) -> LayerCopy:
    """Write the layer at the directory ``upper``, which nobody changes any more, as an archive; otherwise as
    ``copy_layer``.
    """
    walk = _Archive(upper, frozenset(without), write)
    try:
        walk.enter(upper, "", b"", os.fstat(upper))
        walk.run()
    finally:
        walk.close()
    return walk.made


class _Archive(Walk):
    """Writes a layer as an archive, and counts what is in it."""

    def __init__(self, upper: int, without: frozenset[str], write: Callable[[bytes], None]) -> None:
        super().__init__(upper, write)
        self._without = without
        self.made = LayerCopy()

    def add(self, fd: int, path: str, name: bytes) -> None:
        if path in self._without or name.rpartition(b"/")[2].startswith(WHITEOUT_PREFIX):
            return  # a file that is really called so cannot be in a layer
        status = os.fstat(fd)
        if overlayfs.is_whiteout(status):
            self.put_whiteout(name, status)
        else:
            super().add(fd, path, name)

    def put_entry(self, entry: Entry) -> None:
        super().put_entry(entry)
        if entry.type == HARD_LINK:
            return
        self.made.inodes += 1
        self.made.size += entry.size if entry.type == REGULAR else len(entry.link)

    def put_directory(self, entry: Entry, fd: int) -> None:
        self.put_header(entry)
        self.made.inodes += 1
        if overlayfs.is_opaque(fd):
            self.put_header(Entry(entry.name + OPAQUE_NAME, REGULAR, entry.mode, entry.uid, entry.gid, 0, 0))

    def put_whiteout(self, name: bytes, status: os.stat_result) -> None:
        """A name that is no longer there, though it is in a layer below."""
        directory, _, last = name.rpartition(b"/")
        shown = directory + b"/" + WHITEOUT_PREFIX + last if directory else WHITEOUT_PREFIX + last
        owner = (status.st_uid, status.st_gid)
        self.put_header(Entry(shown, REGULAR, _WHITEOUT_MODE, *owner, 0, status.st_mtime_ns))
        self.made.inodes += 1


class _Layer(_Archive):
    """Copies the layer as well."""

    def __init__(self, upper: int, target: int, without: frozenset[str], write: Callable[[bytes], None]) -> None:
        super().__init__(upper, without, write)
        self._target = target
        self._open: int | None = None
        self._holes = False

    def close(self) -> None:
        super().close()
        if self._open is not None:
            os.close(self._open)
            self._open = None

    def put_entry(self, entry: Entry) -> None:
        super().put_entry(entry)
        name = entry.name
        if entry.type == HARD_LINK:
            os.link(entry.link, name, src_dir_fd=self._target, dst_dir_fd=self._target, follow_symlinks=False)
            return
        if entry.type == REGULAR:
            self._open = os.open(name, NEW, 0o600, dir_fd=self._target)
            self._holes = False
        elif entry.type == SYMLINK:
            os.symlink(entry.link, name, dir_fd=self._target)
            os.chown(name, entry.uid, entry.gid, dir_fd=self._target, follow_symlinks=False)
            self._set_time(name, entry.mtime)
        else:
            os.mknod(name, _KINDS[entry.type] | 0o600, os.makedev(entry.major, entry.minor), dir_fd=self._target)
            os.chown(name, entry.uid, entry.gid, dir_fd=self._target, follow_symlinks=False)
            os.chmod(name, entry.mode, dir_fd=self._target)
            self._set_time(name, entry.mtime)

    def put_directory(self, entry: Entry, fd: int) -> None:
        super().put_directory(entry, fd)
        os.mkdir(entry.name, 0o700, dir_fd=self._target)
        made = os.open(entry.name, LISTING, dir_fd=self._target)
        try:
            _dress(made, entry)
            if overlayfs.is_opaque(fd):
                os.setxattr(made, overlayfs.OPAQUE, b"y")
        finally:
            os.close(made)

    def put_content(self, data: bytes) -> None:
        super().put_content(data)
        assert self._open is not None
        if len(data) >= _HOLE and not data.lstrip(b"\0"):
            os.lseek(self._open, len(data), os.SEEK_CUR)
            self._holes = True
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._open, view) :]
        if len(data) >= _HOLE:
            start_writing_out(self._open)

    def put_end(self, entry: Entry) -> None:
        super().put_end(entry)
        assert self._open is not None
        if self._holes:
            os.ftruncate(self._open, entry.size)
        _dress(self._open, entry)
        os.utime(self._open, ns=_times(entry.mtime))
        os.close(self._open)
        self._open = None

    def put_left(self, level: Level) -> None:
        if level.prefix:
            self._set_time(level.prefix, level.status.st_mtime_ns)

    def put_whiteout(self, name: bytes, status: os.stat_result) -> None:
        super().put_whiteout(name, status)
        os.mknod(name, stat.S_IFCHR, overlayfs.WHITEOUT, dir_fd=self._target)

    def _set_time(self, name: bytes, mtime: int) -> None:
        os.utime(name, ns=_times(mtime), dir_fd=self._target, follow_symlinks=False)


def _times(mtime: int) -> tuple[int, int]:
    """What whoever unpacks the archive gives the file: whole seconds, none before 1970."""
    whole = bounded(mtime // _SECOND * _SECOND)
    return whole, whole


def _dress(fd: int, entry: Entry) -> None:
    """Owner, mode, attributes, in an order in which they do not undo each other."""
    os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, entry.mode)
    for name, value in (entry.xattrs or {}).items():
        try:
            os.setxattr(fd, name, value)
        except OSError as error:
            if not is_tolerated(error):
                raise
