"""A file tree as a tar archive: ``docker cp`` and ``docker export`` out of a container, whose processes may change the
tree meanwhile.

The walk holds descriptors and opens one name at a time below them, never through a link, so nothing done in the tree
leads it out. Only regular files and directories are opened for reading; of all else only the name and the status are
taken, since opening a device acts on the host. What vanishes on the way is left out. Runs in a thread.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from havre.kernel.openat2 import open_beneath
from havre.kernel.treerules import LISTING, NAME
from havre.kernel.views import mount_id
from havre.lib import tarwriting
from havre.lib.tarheaders import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    padding,
)

_CHUNK = 1 << 20  # of a large file
_BUFFER = 256 << 10  # small files and headers are put together up to this size
_LARGE = 64 << 10
_OPEN_LEVELS = 64
# The attributes Docker's archives have: others belong to the file system, not to the file.
_SECURITY = ("security.capability", "security.ima")
_USER, _OVERLAY = "user.", "user.overlay."
_TYPES = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFCHR: CHAR_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
}


def archive(top: int, name: bytes, hidden: frozenset[int], write: Callable[[bytes], None]) -> None:
    """Write the tree at ``top`` (an O_PATH descriptor, maybe of a link) as an archive whose first entry is ``name``.

    ``name`` is b"" for a tree whose entries begin with a slash. Directories on ``hidden`` mounts appear empty. Sockets
    are left out. ``write`` gets chunks of at most 1 MB and may block. ``OSError`` for a file that cannot be read.
    """
    walk = Walk(top, write, hidden)
    try:
        walk.add(top, "", name)
        walk.run()
    finally:
        walk.close()


def contents(top: int, write: Callable[[bytes], None]) -> None:
    """Write what is in the directory ``top`` as an archive: its entries are named from there, itself has none.

    Otherwise as ``archive``.
    """
    walk = Walk(top, write)
    try:
        walk.enter(top, "", b"", os.fstat(top))
        walk.run()
    finally:
        walk.close()


@dataclass(slots=True)
class Level:
    """A directory on the way: ``path`` from the top, the entries' ``prefix``, what is left of its names."""

    path: str
    prefix: bytes
    status: os.stat_result
    names: Iterator[str]
    fd: int | None


class Walk:
    """One walk through a tree. What of it is written is for a subclass to change, by the methods named ``put_…``."""

    def __init__(self, top: int, write: Callable[[bytes], None], hidden: frozenset[int] = frozenset()) -> None:
        self._top = top
        self._hidden = hidden
        self._write = write
        self._buffer = bytearray()
        self._levels: list[Level] = []
        self._linked: dict[tuple[int, int], bytes] = {}

    def run(self) -> None:
        """Walk through the levels there are and those that come, and end the archive."""
        while self._levels:
            level = self._levels[-1]
            child = next(level.names, None)
            if child is None or not self._reopen(level):
                self._leave()
                continue
            assert level.fd is not None
            try:
                fd = os.open(child, NAME, dir_fd=level.fd)
            except FileNotFoundError:
                continue
            try:
                self.add(fd, f"{level.path}{child}", level.prefix + os.fsencode(child))
            finally:
                os.close(fd)
        self._put(tarwriting.END)
        self._flush()

    def close(self) -> None:
        """Give up the descriptors of a walk that has ended in any way."""
        while self._levels:
            self._shut(self._levels.pop())

    def add(self, fd: int, path: str, name: bytes) -> None:
        """Write the entry of what ``fd`` names; a directory becomes the next level."""
        status = os.fstat(fd)
        kind = _TYPES.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return
        entry = Entry(name, kind, status.st_mode & 0o7777, status.st_uid, status.st_gid, 0, status.st_mtime_ns)
        if kind == DIRECTORY:
            self._directory(fd, path, entry, status)
            return
        if status.st_nlink > 1:
            first = self._linked.setdefault((status.st_dev, status.st_ino), name)
            if first is not name:
                entry.type, entry.link = HARD_LINK, first
                self.put_entry(entry)
                return
        if kind == REGULAR:
            self._file(fd, entry, status.st_size)
            return
        if kind == SYMLINK:
            entry.link = os.readlink(b"", dir_fd=fd)
        elif kind != FIFO:
            entry.major, entry.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        self.put_entry(entry)

    def enter(self, fd: int, path: str, prefix: bytes, status: os.stat_result) -> int:
        """Make the directory ``fd`` the next level; returns the descriptor it is read by."""
        listing = os.open(".", LISTING, dir_fd=fd)
        level = Level(path, prefix, status, iter(()), listing)
        self._levels.append(level)
        level.names = iter(sorted(os.listdir(listing)))
        if len(self._levels) > _OPEN_LEVELS:
            self._shut(self._levels[-1 - _OPEN_LEVELS])
        return listing

    def put_header(self, entry: Entry) -> None:
        """Write what stands before the content of ``entry`` in the archive."""
        self._put(tarwriting.header(entry))

    def put_entry(self, entry: Entry) -> None:
        """All kinds but directories come in here; the content of a file follows."""
        self.put_header(entry)

    def put_directory(self, entry: Entry, fd: int) -> None:
        """A directory, which ``fd`` reads."""
        self.put_header(entry)

    def put_content(self, data: bytes) -> None:
        """Write a part of a file's content, at most 1 MB."""
        if len(data) > _LARGE:
            self._flush()
            self._write(data)
        else:
            self._put(data)

    def put_end(self, entry: Entry) -> None:
        """The file ``entry`` is complete."""
        self._put(bytes(padding(entry.size)))

    def put_left(self, level: Level) -> None:
        """The directory of ``level`` is complete."""

    def _directory(self, fd: int, path: str, entry: Entry, status: os.stat_result) -> None:
        entry.name += b"/"
        # A file system of its own shows in the device number: only then can it be a hidden mount.
        crossing = not self._levels or self._levels[-1].status.st_dev != status.st_dev
        if crossing and self._hidden and mount_id(fd) in self._hidden:
            self.put_header(entry)
            return
        listing = self.enter(fd, f"{path}/" if path else "", entry.name, status)
        entry.xattrs = attributes(listing)
        self.put_directory(entry, listing)

    def _file(self, fd: int, entry: Entry, size: int) -> None:
        # Through procfs, which opens the very file looked at: its name may mean a device by now.
        reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            entry.size = size
            entry.xattrs = attributes(reading)
            self.put_entry(entry)
            while size:
                # Exactly as many bytes as were said: a file that grew is cut, one that shrank is filled up with zeroes.
                data = os.read(reading, min(size, _CHUNK)) or bytes(min(size, _CHUNK))
                self.put_content(data)
                size -= len(data)
        finally:
            os.close(reading)
        self.put_end(entry)

    def _put(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            self._write(bytes(self._buffer))
            self._buffer.clear()

    def _reopen(self, level: Level) -> bool:
        """Make sure of the level's descriptor; False when the directory is no longer where it was."""
        if level.fd is not None:
            return True
        try:
            level.fd = open_beneath(self._top, level.path or ".", LISTING)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        return os.path.samestat(os.fstat(level.fd), level.status)

    def _leave(self) -> None:
        level = self._levels.pop()
        self._shut(level)
        self.put_left(level)

    def _shut(self, level: Level) -> None:
        if level.fd is not None:
            os.close(level.fd)
            level.fd = None


def attributes(fd: int) -> dict[str, bytes] | None:
    """The extended attributes of an open file that an archive of Docker's has; None for none."""
    try:
        names = os.listxattr(fd)
    except OSError:  # the file system has none
        return None
    if not names:
        return None
    found = {}
    for name in names:
        # An archive's record ends its key at the first equals sign.
        if name in _SECURITY or (name.startswith(_USER) and not name.startswith(_OVERLAY) and "=" not in name):
            try:
                found[name] = os.getxattr(fd, name)
            except OSError:  # removed since it was listed
                continue
    return found
