"""What files are known by: a digest of names, kinds, modes, owners, attributes and content, but not of their times.

So a fresh checkout of the same tree, or a file that was only touched, is the same to a build.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Sequence

from havre.builder.files.selecting import opened, selected, walk
from havre.kernel.treerules import LISTING
from havre.kernel.treetar import attributes
from havre.lib.dockerignore import Ignore

_READ = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


Note = Callable[[str, bytes], None]
"""Takes a path and the digest of the file there."""


def checksum(
    root: int, paths: Sequence[str], left_out: Ignore, owners: bool, note: Note = lambda path, digest: None
) -> str:
    """The digest of what ``paths`` name in the tree ``root``. Blocks while it is read.

    ``note`` is told of each file.

    ``left_out`` is not taken of the directories named; ``owners`` says whether they count. Raises ``NotFound``, and
    ``OSError`` for what cannot be read.
    """
    total = hashlib.sha256()
    for path in selected(root, paths):
        fd = opened(root, path)
        try:
            total.update(_of(fd, path, left_out, owners, note))
        finally:
            os.close(fd)
    return f"sha256:{total.hexdigest()}"


def _of(fd: int, path: str, left_out: Ignore, owners: bool, note: Note) -> bytes:
    total = hashlib.sha256()
    status = os.fstat(fd)
    name = path.rpartition("/")[2]
    if not stat.S_ISDIR(status.st_mode):
        # Through procfs: the very file that was looked at.
        digest = _entry(name, status, owners, f"/proc/self/fd/{fd}", None)
        note(path, digest)
        total.update(digest)
        return total.digest()
    # Where it goes may depend on its name only with --parents, where the name is part of the operation.
    total.update(_entry("", status if path else None, owners, "", None))
    listing = os.open(".", LISTING, dir_fd=fd)
    try:
        for found in walk(listing, left_out):
            digest = _entry(found.path, found.status, owners, found.name, found.directory)
            note(f"{path}/{found.path}".lstrip("/"), digest)
            total.update(digest)
    finally:
        os.close(listing)
    return total.digest()


def _entry(path: str, status: os.stat_result | None, owners: bool, name: str, directory: int | None) -> bytes:
    """What one file adds. ``status`` None: of a directory whose mode is nobody's wish (the context itself)."""
    one = hashlib.sha256()
    one.update(os.fsencode(path) + b"\0")
    if status is None:
        return one.digest()
    owner = f"{status.st_uid} {status.st_gid}" if owners else ""
    one.update(f"{status.st_mode:o} {owner}\0".encode())
    if stat.S_ISLNK(status.st_mode):
        one.update(os.fsencode(os.readlink(name, dir_fd=directory)))
    elif stat.S_ISREG(status.st_mode):
        flags = _FILE if directory is not None else os.O_RDONLY | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=directory)
        try:
            for key, value in sorted((attributes(fd) or {}).items()):
                one.update(key.encode() + b"\0" + value + b"\0")
            _content(fd, one)
        finally:
            os.close(fd)
    elif not stat.S_ISDIR(status.st_mode):
        one.update(f"{status.st_rdev}".encode())
    return one.digest()


def _content(fd: int, digest: "hashlib._Hash") -> None:
    while data := os.read(fd, _READ):
        digest.update(data)
