"""A file tree as a tar archive: ``docker cp`` out of a container, whose processes may change the tree meanwhile.

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
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    walk = _Walk(top, hidden, write)
    try:
        walk.run(name)
    finally:
        walk.close()


@dataclass(slots=True)
class _Level:
    """A directory on the way: ``path`` from the top, the entries' ``prefix``, what is left of its names."""

    path: str
    prefix: bytes
    status: os.stat_result
    names: Iterator[str]
    fd: int | None


class _Walk:
    def __init__(self, top: int, hidden: frozenset[int], write: Callable[[bytes], None]) -> None:
        self._top = top
        self._hidden = hidden
        self._write = write
        self._buffer = bytearray()
        self._levels: list[_Level] = []
        self._linked: dict[tuple[int, int], bytes] = {}

    def run(self, name: bytes) -> None:
        self._add(self._top, "", name)
        while self._levels:
            level = self._levels[-1]
            child = next(level.names, None)
            if child is None or not self._reopen(level):
                self._leave()
                continue
            assert level.fd is not None
            try:
                fd = os.open(child, _NAME, dir_fd=level.fd)
            except FileNotFoundError:
                continue
            try:
                self._add(fd, f"{level.path}{child}", level.prefix + os.fsencode(child))
            finally:
                os.close(fd)
        self._put(tarwriting.END)
        self._flush()

    def close(self) -> None:
        while self._levels:
            self._leave()

    def _add(self, fd: int, path: str, name: bytes) -> None:
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
                self._put(tarwriting.header(entry))
                return
        if kind == REGULAR:
            self._file(fd, entry, status.st_size)
            return
        if kind == SYMLINK:
            entry.link = os.readlink(b"", dir_fd=fd)
        elif kind != FIFO:
            entry.major, entry.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        self._put(tarwriting.header(entry))

    def _directory(self, fd: int, path: str, entry: Entry, status: os.stat_result) -> None:
        entry.name += b"/"
        # A file system of its own shows in the device number: only then can it be a hidden mount.
        crossing = not self._levels or self._levels[-1].status.st_dev != status.st_dev
        if crossing and self._hidden and mount_id(fd) in self._hidden:
            self._put(tarwriting.header(entry))
            return
        listing = os.open(".", _LIST, dir_fd=fd)
        level = _Level(f"{path}/" if path else "", entry.name, status, iter(()), listing)
        self._levels.append(level)
        entry.xattrs = _attributes(listing)
        self._put(tarwriting.header(entry))
        level.names = iter(sorted(os.listdir(listing)))
        if len(self._levels) > _OPEN_LEVELS:
            self._shut(self._levels[-1 - _OPEN_LEVELS])

    def _file(self, fd: int, entry: Entry, size: int) -> None:
        # Through procfs, which opens the very file looked at: its name may mean a device by now.
        reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            entry.size = size
            entry.xattrs = _attributes(reading)
            self._put(tarwriting.header(entry))
            data = os.read(reading, size) if size <= _LARGE else b""
            self._put(data)
            if len(data) < size:
                self._flush()
                self._content(reading, size - len(data))
        finally:
            os.close(reading)
        self._put(bytes(padding(size)))

    def _content(self, reading: int, left: int) -> None:
        """Exactly ``left`` bytes: a file that grew is cut, one that shrank is filled up with zeroes."""
        while left:
            data = os.read(reading, min(left, _CHUNK)) or bytes(min(left, _CHUNK))
            self._write(data)
            left -= len(data)

    def _put(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            self._write(bytes(self._buffer))
            self._buffer.clear()

    def _reopen(self, level: _Level) -> bool:
        """Make sure of the level's descriptor; False when the directory is no longer where it was."""
        if level.fd is not None:
            return True
        try:
            level.fd = open_beneath(self._top, level.path or ".", _LIST)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        return os.path.samestat(os.fstat(level.fd), level.status)

    def _leave(self) -> None:
        self._shut(self._levels.pop())

    def _shut(self, level: _Level) -> None:
        if level.fd is not None:
            os.close(level.fd)
            level.fd = None


def _attributes(fd: int) -> dict[str, bytes] | None:
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
