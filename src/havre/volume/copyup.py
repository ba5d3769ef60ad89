"""Filling an empty volume with what the image has at its mount point, as Docker does at a container's first start.

The image's tree is foreign: its path is resolved as inside the container, no link is followed on the way, and nothing
is opened but regular files. A marker beside the volume's directory tells a copy that was cut short; it is made again.
"""

import errno
import os
import shutil
from pathlib import Path

from havre.kernel import mounts, openat2
from havre.volume.treecopy import copy_tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Attributes of the overlay that shows the image, not of the image.
_FOREIGN_ATTRIBUTES = ("trusted.overlay.", "user.overlay.")
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


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
        root = os.open(volume, _DIRECTORY)
        try:
            copied = copy_tree(source, root, reflink=False, left_out=_FOREIGN_ATTRIBUTES)
        finally:
            os.close(root)
        if copied.entries:
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
