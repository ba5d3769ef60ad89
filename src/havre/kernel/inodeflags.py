"""Hints to the file system about where a directory's files go. The snapshotter comes in here."""

import fcntl
import os
import struct

_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_FS_TOPDIR_FL = 0x00020000


def spread_subdirectories(path: str | os.PathLike[str]) -> None:
    """Ask ext4 to place each sub-directory of ``path`` in a part of the disk of its own (``chattr +T``).

    ext4 is slow to reuse an inode within minutes of its deletion: it looks through all of the deleted ones first. Where
    an image's 12,000 files went right before, 12,000 new ones take 10 s instead of 0.2 s. Other file systems do not
    know the flag, and do not need it: for them nothing happens.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(struct.calcsize("l"))))
        if not flags & _FS_TOPDIR_FL:
            fcntl.ioctl(fd, _FS_IOC_SETFLAGS, struct.pack("l", flags | _FS_TOPDIR_FL))
    except OSError:
        pass
    finally:
        os.close(fd)
