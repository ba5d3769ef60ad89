"""Build contexts that come as archives: unpacked, and cleared of what ``.dockerignore`` leaves out."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from havre.builder.files.selecting import opened
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, NotFound, SystemFault
from havre.kernel.openat2 import open_in_root
from havre.kernel.treerules import LISTING
from havre.kernel.treextract import Rules, extract
from havre.lib import dockerignore
from havre.lib.dockerignore import Ignore
from havre.lib.relay import inflow

_LARGEST_FILE = 16 << 20  # of a Dockerfile
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


async def unpack(body: AsyncIterator[bytes], place: Path) -> Directory:
    """The archive ``body``, compressed or not, below the empty directory ``place``; nobody's owners are kept.

    Raises ``InvalidParameter`` for a damaged one.
    """
    await inflow(body, lambda source: _unpack(source, place), "havre-context")
    return Directory(place)


def read(context: Directory, path: str) -> bytes:
    """A small file of a context. Raises ``NotFound``; ``InvalidParameter`` when it is too large, or no file."""
    root = os.open(context.path, _OPEN)
    try:
        os.close(opened(root, path))
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    finally:
        os.close(root)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidParameter(f"{path} is not a file")
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise InvalidParameter(f"{path} is larger than {_LARGEST_FILE >> 20} MiB")
    return data


def ignored(context: Directory, file: str) -> Ignore:
    """What a context's own ``.dockerignore`` leaves out; ``<Dockerfile>.dockerignore`` comes before it."""
    for name in (f"{file}.dockerignore", ".dockerignore"):
        try:
            return Ignore(dockerignore.patterns_of(read(context, name)))
        except NotFound:
            continue
    return Ignore()


def clear(context: Directory, ignore: Ignore) -> None:
    """Take away what is left out. Blocks."""
    if not ignore:
        return
    root = os.open(context.path, _OPEN)
    try:
        _clear(root, "", ignore)
    finally:
        os.close(root)


def _clear(directory: int, prefix: str, ignore: Ignore) -> bool:
    """Clear what is in the directory; True when nothing is left in it."""
    left = 0
    for name in os.listdir(directory):
        path = prefix + name
        out = ignore.leaves_out(path)
        if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            if out:
                os.unlink(name, dir_fd=directory)
            left += not out
            continue
        below = os.open(name, LISTING, dir_fd=directory)
        try:
            empty = _clear(below, path + "/", ignore)
        finally:
            os.close(below)
        if out and empty:
            os.rmdir(name, dir_fd=directory)
        else:
            left += 1
    return not left


def _unpack(source: Iterator[bytes], place: Path) -> None:
    target = os.open(place, _OPEN)
    try:
        extract(source, target, Rules((0, 0), False, "the build context", devices=False))
    except OSError as error:
        raise SystemFault(f"cannot unpack the build context: {error.filename}: {error.strerror}") from error
    finally:
        os.close(target)
