"""Build contexts that come as archives: unpacked, and cleared of what ``.dockerignore`` leaves out.

A small one of a single build is unpacked in memory, where a thousand files cost little to make and nothing to take
away; one that turns out to be larger than it looked goes to the disk.
"""

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from havre.builder.files.selecting import opened
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, NotFound, SystemFault
from havre.kernel import mounts
from havre.kernel.openat2 import open_in_root
from havre.kernel.treerules import LISTING
from havre.kernel.treextract import Rules, extract
from havre.lib import dockerignore
from havre.lib.dockerignore import Ignore
from havre.lib.relay import inflow

_LARGEST_FILE = 16 << 20  # of a Dockerfile
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SMALL = 8 << 20  # of an archive
_MEMORY = "size=64m,nr_inodes=20000,mode=0700"


async def unpack(body: AsyncIterator[bytes], place: Path) -> Directory:
    """The archive ``body``, compressed or not, below the directory ``place``; nobody's owners are kept.

    Raises ``InvalidParameter`` for a damaged one.
    """
    await inflow(body, lambda source: _unpack(source, place), "havre-context")
    return Directory(place)


async def receive(body: AsyncIterator[bytes], place: Path) -> Directory:
    """As ``unpack``, for a single build: in memory if it is small. ``place`` is empty; ``discard`` takes it away."""
    begun: list[bytes] = []
    try:
        await inflow(_small(body, begun), lambda source: _unpack_in_memory(source, place), "havre-context")
    except _TooLargeError:
        return await unpack(_all(begun, body), place)
    return Directory(place)


async def discard(place: Path) -> None:
    """Take away what ``receive`` made, and the directory."""
    try:
        mounts.unmount(place, detach=True)
    except OSError as error:
        if error.errno != errno.EINVAL:  # nothing is mounted there: it was large
            raise
    await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


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


class _TooLargeError(Exception):
    """For memory."""


async def _small(body: AsyncIterator[bytes], begun: list[bytes]) -> AsyncIterator[bytes]:
    """What comes, put into ``begun`` as well. Raises ``_TooLargeError`` when it is much."""
    size = 0
    async for chunk in body:
        begun.append(chunk)
        size += len(chunk)
        if size > _SMALL:
            raise _TooLargeError
        yield chunk


async def _all(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    begun.reverse()
    while begun:
        yield begun.pop()
    async for chunk in rest:
        yield chunk


def _unpack_in_memory(source: Iterator[bytes], place: Path) -> None:
    """Raises ``_TooLargeError`` when it has no room there. Nothing is left of it after any error."""
    mounts.mount("havre-context", place, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, _MEMORY)
    try:
        _unpack(source, place)
    except BaseException as error:
        mounts.unmount(place, detach=True)
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
            raise _TooLargeError from None
        raise


def _unpack(source: Iterator[bytes], place: Path) -> None:
    target = os.open(place, _OPEN)
    try:
        extract(source, target, Rules((0, 0), False, "the build context", devices=False))
    except OSError as error:
        raise SystemFault(f"cannot unpack the build context: {error.filename}: {error.strerror}") from error
    finally:
        os.close(target)
