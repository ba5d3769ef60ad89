"""Two file trees in overlayfs' format compared: what differs, by name. The check of the image store comes in here.

Compared are names, kinds, modes, owners, device numbers, content, links, extended attributes and, for files, times in
whole seconds (which is what archives keep). What overlayfs notes for itself is passed over.
"""

import os
import stat
from collections.abc import Iterator

from havre.kernel import overlayfs
from havre.kernel.treerules import LISTING

_READ = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OVERLAY = "trusted.overlay."
_SECOND = 1_000_000_000


def differences(one: int, other: int, prefix: str = "") -> Iterator[str]:
    """What the directory ``other`` has different from ``one`` (descriptors), as ``path: what``. Blocks."""
    here, there = set(os.listdir(one)), set(os.listdir(other))
    for name in sorted(here | there):
        path = f"{prefix}{name}"
        if name not in there:
            yield f"{path}: is missing"
        elif name not in here:
            yield f"{path}: does not belong there"
        else:
            yield from _entry(one, other, name, path)


def _entry(one: int, other: int, name: str, path: str) -> Iterator[str]:
    here, there = (os.stat(name, dir_fd=fd, follow_symlinks=False) for fd in (one, other))
    if stat.S_IFMT(here.st_mode) != stat.S_IFMT(there.st_mode):
        yield f"{path}: is of another kind"
        return
    if here.st_mode != there.st_mode and not stat.S_ISLNK(here.st_mode):
        yield f"{path}: mode is {stat.S_IMODE(there.st_mode):o}, not {stat.S_IMODE(here.st_mode):o}"
    if (here.st_uid, here.st_gid) != (there.st_uid, there.st_gid):
        yield f"{path}: owner is {there.st_uid}:{there.st_gid}, not {here.st_uid}:{here.st_gid}"
    if here.st_rdev != there.st_rdev:
        yield f"{path}: is another device"
    if stat.S_ISDIR(here.st_mode):
        yield from _opened(one, other, name, path, LISTING, directory=True)
    elif stat.S_ISREG(here.st_mode):
        if here.st_mtime_ns // _SECOND != there.st_mtime_ns // _SECOND:
            yield f"{path}: has another time"
        if here.st_size != there.st_size:
            yield f"{path}: has {there.st_size} bytes, not {here.st_size}"
        else:
            yield from _opened(one, other, name, path, _FILE, directory=False)
    elif stat.S_ISLNK(here.st_mode) and os.readlink(name, dir_fd=one) != os.readlink(name, dir_fd=other):
        yield f"{path}: leads elsewhere"


def _opened(one: int, other: int, name: str, path: str, flags: int, directory: bool) -> Iterator[str]:
    here = os.open(name, flags, dir_fd=one)
    try:
        there = os.open(name, flags, dir_fd=other)
        try:
            if _attributes(here) != _attributes(there):
                yield f"{path}: has other extended attributes"
            if directory:
                yield from differences(here, there, f"{path}/")
            elif not same_content(here, there):
                yield f"{path}: has other content"
        finally:
            os.close(there)
    finally:
        os.close(here)


def _attributes(fd: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(fd)
    except OSError:  # the file system has none
        return {}
    return {name: os.getxattr(fd, name) for name in names if name == overlayfs.OPAQUE or not name.startswith(_OVERLAY)}


def same_content(one: int, other: int) -> bool:
    """Whether two files that are open for reading hold the same from here on. Blocks."""
    while data := os.read(one, _READ):
        if data != os.read(other, _READ):
            return False
    return True
