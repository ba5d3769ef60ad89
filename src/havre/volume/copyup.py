"""Filling an empty volume with what the image has at its mount point, as Docker does at a container's first start.

The image's tree is foreign: its path is resolved as inside the container, no link is followed on the way, and nothing
is opened but regular files. A marker beside the volume's directory tells a copy that was cut short; it is made again.
"""

import errno
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from havre.kernel import mounts, openat2

_COPY_SIZE = 16 * 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Attributes of the overlay that shows the image, not of the image.
_FOREIGN_ATTRIBUTES = ("trusted.overlay.", "user.overlay.")


def copy_up(rootfs: Path, destination: str, volume: Path, part: Path | None = None, marker: Path | None = None) -> None:
    """Copy the directory ``destination`` of the mounted ``rootfs`` into ``volume``, if that is empty. Blocks.

    With ``part``, where a part of the volume is mounted, into that; nothing happens when it is no directory.

    ``marker`` is the file that tells of a copy cut short, beside the volume if not given.

    Owners, modes, times, extended attributes, links and hard links are kept. Nothing happens when the image has no
    such directory. Errors are ``OSError``.
    """
    marker = marker or volume.parent / ".copying"
    if part is not None:
        if not part.is_dir():
            return
        marker = marker.with_name(f"{marker.name}-{part.stat().st_ino}")
        volume = part
    if marker.exists():
        _empty(volume)
    elif _has_entries(volume):
        return
    source = _open_in(rootfs, destination)
    if source is None:
        return
    try:
        marker.touch()
        copy = _Copy(os.open(volume, _DIRECTORY))
        try:
            copy.directory(source, copy.root, "")
        finally:
            os.close(copy.root)
        if copy.entries:
            mounts.syncfs(volume)
        marker.unlink()
    finally:
        os.close(source)


def _open_in(rootfs: Path, destination: str) -> int | None:
    root = os.open(rootfs, _DIRECTORY)
    try:
        return openat2.open_in_root(root, destination, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise
    finally:
        os.close(root)


@dataclass(slots=True)
class _Copy:
    """One copy on its way: ``root`` is the volume's descriptor, ``links`` where each file with several names is."""

    root: int
    entries: int = 0
    links: dict[tuple[int, int], str] = field(default_factory=dict)

    def directory(self, source: int, target: int, path: str) -> None:
        """Copy what is in ``source`` to ``target`` (descriptors), then what ``source`` itself is like."""
        own = os.fstat(source)
        with os.scandir(source) as found:
            entries = [(entry.name, entry.stat(follow_symlinks=False)) for entry in found]
        for name, status in entries:
            self.entries += 1
            self._entry(source, target, name, f"{path}{name}", status)
        _copy_attributes(source, target, own)

    def _entry(self, source: int, target: int, name: str, path: str, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            below, made = os.open(name, _DIRECTORY, dir_fd=source), os.open(name, _DIRECTORY, dir_fd=target)
            try:
                self.directory(below, made, f"{path}/")
            finally:
                os.close(below)
                os.close(made)
            return
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self.links:
            os.link(self.links[key], name, src_dir_fd=self.root, dst_dir_fd=target, follow_symlinks=False)
            return
        self.links[key] = path
        if stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            _copy_times(target, name, status)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
            _copy_times(target, name, status)


def _copy_file(source: int, target: int, name: str) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        writing = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            # Before the copy: reading changes the time of the last access.
            status = os.fstat(reading)
            while os.sendfile(writing, reading, None, _COPY_SIZE):
                pass
            _copy_attributes(reading, writing, status)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_attributes(source: int, target: int, status: os.stat_result) -> None:
    """Owner, mode, extended attributes and times of one open file, in an order in which they do not undo each other."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for attribute in os.listxattr(source):
        if not attribute.startswith(_FOREIGN_ATTRIBUTES):
            os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_times(target: int, name: str, status: os.stat_result) -> None:
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _has_entries(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return next(entries, None) is not None


def _empty(directory: Path) -> None:
    with os.scandir(directory) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
