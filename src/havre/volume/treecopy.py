"""Copying a file tree into another: what fills volumes from images, clones them and takes snapshots of them.

Owners, modes, times, extended attributes (with them access lists), links, hard links and holes are kept. No link is
followed and nothing is opened but regular files and directories. Where the file system can, files share their blocks.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

_COPY_SIZE = 16 * 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FICLONE = 0x40049409
# What a name gives that has vanished, or become something else, since it was looked at.
_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: ``entries`` in all, ``size`` bytes of files, of which ``shared`` share their blocks."""

    entries: int
    size: int
    shared: int


class StoppedError(Exception):
    """The copy was broken off on demand."""


def copy_tree(
    source: int,
    target: int,
    reflink: bool = True,
    live: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    left_out: tuple[str, ...] = (),
) -> Copied:
    """Copy what is in the directory ``source`` to the empty one ``target`` (descriptors), and what it is like. Blocks.

    A ``live`` tree may change meanwhile: what vanishes, or becomes something else, is left out. So are attributes that
    begin with one of ``left_out``. Raises ``OSError``, and ``StoppedError`` soon after ``stopped`` says so.
    """
    copy = _Copy(target, reflink, live, stopped, left_out)
    copy.directory(source, target, "")
    return Copied(copy.entries, copy.size, copy.shared)


@dataclass(slots=True)
class _Copy:
    """One copy on its way: ``root`` is the target's descriptor, ``links`` where each file with several names is."""

    root: int
    reflink: bool
    live: bool
    stopped: Callable[[], bool]
    left_out: tuple[str, ...]
    entries: int = 0
    size: int = 0
    shared: int = 0
    links: dict[tuple[int, int], str] = field(default_factory=dict)

    def directory(self, source: int, target: int, path: str) -> None:
        """Copy what is in ``source`` to ``target``, then what ``source`` itself is like."""
        own = os.fstat(source)
        for name in sorted(os.listdir(source)):
            if self.stopped():
                raise StoppedError
            try:
                status = os.stat(name, dir_fd=source, follow_symlinks=False)
                self._entry(source, target, name, f"{path}{name}", status)
            except OSError as error:
                if not self.live or error.errno not in _CHANGED:
                    raise
            else:
                self.entries += 1
        _copy_attributes(source, target, own, self.left_out)

    def _entry(self, source: int, target: int, name: str, path: str, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            self._directory(source, target, name, path)
            return
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self.links:
            os.link(self.links[key], name, src_dir_fd=self.root, dst_dir_fd=target, follow_symlinks=False)
            return
        if stat.S_ISREG(status.st_mode):
            self._file(source, target, name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(_read_link(source, name), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            _copy_times(target, name, status)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
            _copy_times(target, name, status)
        if status.st_nlink > 1:
            self.links[key] = path

    def _directory(self, source: int, target: int, name: str, path: str) -> None:
        below = os.open(name, _DIRECTORY, dir_fd=source)
        try:
            os.mkdir(name, 0o700, dir_fd=target)
            made = os.open(name, _DIRECTORY, dir_fd=target)
            try:
                self.directory(below, made, f"{path}/")
            finally:
                os.close(made)
        finally:
            os.close(below)

    def _file(self, source: int, target: int, name: str) -> None:
        reading = os.open(name, _FILE, dir_fd=source)
        try:
            # Before the copy: reading changes the time of the last access.
            status = os.fstat(reading)
            if not stat.S_ISREG(status.st_mode):  # it has just become something else
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            writing = os.open(name, _NEW, 0o600, dir_fd=target)
            try:
                self.size += status.st_size
                if self._share(reading, writing):
                    self.shared += status.st_size
                else:
                    self._copy_data(reading, writing, status.st_size)
                _copy_attributes(reading, writing, status, self.left_out)
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def _share(self, reading: int, writing: int) -> bool:
        if not self.reflink:
            return False
        try:
            fcntl.ioctl(writing, _FICLONE, reading)
        except OSError:
            # This file system cannot, or not with that one: it is not asked again.
            self.reflink = False
            return False
        return True

    def _copy_data(self, reading: int, writing: int, size: int) -> None:
        at = 0
        while at < size:
            try:
                at = os.lseek(reading, at, os.SEEK_DATA)
                end = min(os.lseek(reading, at, os.SEEK_HOLE), size)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # nothing but a hole is left
            os.lseek(writing, at, os.SEEK_SET)
            while at < end:
                if self.stopped():
                    raise StoppedError
                sent = os.sendfile(writing, reading, at, min(end - at, _COPY_SIZE))
                if not sent:  # it has become shorter
                    return
                at += sent
        os.ftruncate(writing, size)


def _copy_attributes(source: int, target: int, status: os.stat_result, left_out: tuple[str, ...]) -> None:
    """Owner, mode, extended attributes and times of one open file, in an order in which they do not undo each other."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for attribute in os.listxattr(source):
        if not attribute.startswith(left_out):
            os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _read_link(source: int, name: str) -> str:
    try:
        return os.readlink(name, dir_fd=source)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # It is no link any more.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from None


def _copy_times(target: int, name: str, status: os.stat_result) -> None:
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
