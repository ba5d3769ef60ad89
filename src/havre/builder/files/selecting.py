"""Which files COPY and ADD mean: paths and globs in a tree, and the walk below what they name."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from havre.errors import InvalidParameter, NotFound
from havre.kernel.openat2 import open_in_root
from havre.kernel.treerules import LISTING
from havre.lib import globs
from havre.lib.dockerignore import Ignore

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_WILD = frozenset("*?[\\")
_EVERYTHING = "**"
_DEEPEST = 256


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a walk: its path below what was named, and where to open it: ``name`` in ``directory``."""

    path: str
    status: os.stat_result
    directory: int
    name: str

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def selected(root: int, patterns: Sequence[str]) -> list[str]:
    """The paths in the tree ``root`` (a descriptor) that ``patterns`` name, in order; a glob may name none.

    Raises ``NotFound`` for a path without wildcards that is not there.
    """
    found: list[str] = []
    for pattern in patterns:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not any(_WILD & set(part) for part in parts):
            path = "/".join(parts)
            os.close(opened(root, path))
            found.append(path)
        else:
            try:
                found += _expanded(root, "", parts, 0)
            except ValueError as error:
                raise InvalidParameter(f"invalid pattern {pattern}: {error}") from None
    return found


def opened(root: int, path: str) -> int:
    """A path-only descriptor of ``path``, links in it and at its end followed inside ``root``. Raises ``NotFound``."""
    try:
        return open_in_root(root, path or ".", os.O_PATH)
    except OSError as error:
        if error.errno in _MISSING:
            raise NotFound(f'"/{path}": not found') from None
        raise


def walk(directory: int, left_out: Ignore, prefix: str = "", depth: int = 0) -> Iterator[Found]:
    """Everything below ``directory`` in the order of names, directories before what is in them.

    The descriptors in what is given are open until the next is asked for.
    """
    if depth > _DEEPEST:
        raise InvalidParameter(f"directories are nested too deeply: {prefix[:100]}…")
    for name in sorted(os.listdir(directory)):
        path = prefix + name
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        skipped = bool(left_out) and left_out.leaves_out(path)
        if not stat.S_ISDIR(status.st_mode):
            if not skipped:
                yield Found(path, status, directory, name)
            continue
        if skipped and left_out.may_skip(path):
            continue
        below = os.open(name, LISTING, dir_fd=directory)
        try:
            if not skipped:
                yield Found(path, status, directory, name)
            yield from walk(below, left_out, path + "/", depth + 1)
        finally:
            os.close(below)


def _expanded(root: int, prefix: str, parts: Sequence[str], depth: int) -> Iterator[str]:
    """The paths below ``prefix`` that ``parts`` fit, component by component."""
    if not parts:
        yield prefix
        return
    first, rest = parts[0], parts[1:]
    if not _WILD & set(first):
        path = f"{prefix}/{first}" if prefix else first
        if _exists(root, path):
            yield from _expanded(root, path, rest, depth)
        return
    names = _names(root, prefix)
    if first == _EVERYTHING:
        yield from _expanded(root, prefix, rest, depth) if rest else ()
        for name in names if depth < _DEEPEST else ():
            path = f"{prefix}/{name}" if prefix else name
            if not rest:
                yield path
            elif _is_directory(root, path):
                yield from _expanded(root, path, parts, depth + 1)
        return
    for name in names:
        if globs.match(first, name):
            yield from _expanded(root, f"{prefix}/{name}" if prefix else name, rest, depth)


def _names(root: int, path: str) -> list[str]:
    try:
        fd = open_in_root(root, path or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _MISSING:
            return []
        raise
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def _exists(root: int, path: str) -> bool:
    try:
        os.close(open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW))
    except OSError as error:
        if error.errno in _MISSING:
            return False
        raise
    return True


def _is_directory(root: int, path: str) -> bool:
    """Itself, not by a link: else a walk through everything would not end."""
    try:
        fd = open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in _MISSING:
            return False
        raise
    try:
        return stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
