"""What a layer in overlayfs' format changes of the layers below it: ``docker diff``.

Only the layer itself is walked; of those below, the directories it has, too. Works with descriptors, one name at a
time, never through a link: the container may run. What vanishes on the way is as if it had not been.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from havre.kernel import overlayfs
from havre.kernel.openat2 import open_beneath
from havre.kernel.treerules import LISTING
from havre.kernel.treetar import Level, Walk

MODIFIED, ADDED, DELETED = 0, 1, 2

_CAPABILITY = "security.capability"
_SECOND = 1_000_000_000
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


@dataclass(frozen=True, slots=True)
class Change:
    """``path`` is absolute; ``kind`` is one of those above, as in Docker's API."""

    path: bytes
    kind: int


Ignored = Callable[[str, os.stat_result], bool]


def changes(upper: Path, below: Sequence[Path], ignored: Ignored) -> list[Change]:
    """What ``upper`` changes of the layers ``below`` (top first), sorted by names, directories before what is in them.

    A directory in which something changed is itself ``MODIFIED``; of one that was deleted, or replaced by a file,
    nothing more is told; what is the same in all that Docker compares is no change. Additions that are ``ignored``
    (path from the root, status) do not count, but what is in them does.
    """
    with _opened([upper, *below]) as (top, *roots):
        walk = _Comparison(top, ignored)
        try:
            walk.compare(_Below(roots, ""))
        finally:
            walk.close()
    return walk.found


def placeholders(upper: Path, below: Sequence[Path], directory: str, names: Collection[str]) -> frozenset[str]:
    """Which of the files ``names`` in ``directory`` of the layer ``upper`` are empty, and not in the layers ``below``.

    Paths from the root. The directory itself is among them when nothing else is in it and those below have it.
    """
    with _opened([upper, *below]) as (top, *roots):
        covered = _Below(roots, "")
        try:
            fd = open_beneath(top, directory, LISTING)
        except OSError as error:
            if error.errno in _GONE:
                return frozenset()
            raise
        inner = covered.inside(directory)
        try:
            there = os.listdir(fd)
            found = {name for name in there if name in names and inner.find(name)[1] is None and _is_empty(name, fd)}
            kept = covered.find(directory)[1]
            alone = kept is not None and not _differ(os.fstat(fd), kept) and len(found) == len(there)
            return frozenset([f"{directory}/{name}" for name in found] + ([directory] if alone else []))
        finally:
            covered.close()
            inner.close()
            os.close(fd)


class _Below:
    """The directory ``path`` as the layers with these ``roots`` show it; without roots it is not there.

    Its descriptors are opened when they are needed, and may be closed in between.
    """

    def __init__(self, roots: list[int], path: str) -> None:
        self._roots = roots
        self._path = path
        self._fds: list[int] | None = None

    def find(self, name: str) -> tuple[int, os.stat_result | None]:
        """The topmost layer that says something of the file ``name``, and its status; a deleted one has none."""
        for place, fd in enumerate(self._opened()):
            status = _stat(name, fd)
            if status is not None:
                return place, None if overlayfs.is_whiteout(status) else status
        return len(self._roots), None

    def names(self) -> set[str]:
        """What is in it."""
        seen: dict[str, bool] = {}
        for fd in self._opened():
            for name in os.listdir(fd):
                if name not in seen:
                    status = _stat(name, fd)
                    seen[name] = status is not None and not overlayfs.is_whiteout(status)
        return {name for name, there in seen.items() if there}

    def inside(self, name: str) -> "_Below":
        """The directory ``name`` in it."""
        fds = self._opened()
        taken: list[int] = []
        for place in range(self.find(name)[0], len(fds)):
            status = _stat(name, fds[place])
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                break
            taken.append(self._roots[place])
            if _is_opaque(name, fds[place]):
                break
        return _Below(taken, f"{self._path}{name}/")

    def capability(self, name: str) -> bytes:
        """The file capabilities of the file ``name``, which is there."""
        return _capability(name, self._opened()[self.find(name)[0]])

    def close(self) -> None:
        for fd in self._fds or ():
            os.close(fd)
        self._fds = None

    def _opened(self) -> list[int]:
        if self._fds is None:
            self._fds = []
            for root in self._roots:
                self._fds.append(open_beneath(root, self._path or ".", LISTING))
        return self._fds


@dataclass(slots=True)
class _Frame:
    """A directory being compared: what it covers, where its changes begin, whether it is among them itself."""

    below: _Below
    place: int
    told: bool
    deleted: set[str]


class _Comparison(Walk):
    def __init__(self, top: int, ignored: Ignored) -> None:
        super().__init__(top, lambda _: None)
        self._top_fd = top
        self._ignored = ignored
        self._frames: list[_Frame] = []
        self.found: list[Change] = []

    def compare(self, below: _Below) -> None:
        self._begin(self._top_fd, "", os.fstat(self._top_fd), below, True)
        self.run()

    def close(self) -> None:
        super().close()
        while self._frames:
            self._frames.pop().below.close()

    def add(self, fd: int, path: str, name: bytes) -> None:
        """Compare one file of the layer with what it covers."""
        status = os.fstat(fd)
        frame = self._frames[-1]
        last = path.rpartition("/")[2]
        frame.deleted.discard(last)
        old = frame.below.find(last)[1]
        if overlayfs.is_whiteout(status):
            if old is not None:
                frame.deleted.add(last)
            return
        kind = None
        place = len(self.found)
        if old is None:
            kind = None if self._ignored(path, status) else ADDED
        elif _differ(status, old) or self._capability_changed(fd, last, status, frame.below):
            kind = MODIFIED
        if kind is not None:
            self.found.append(Change(_absolute(path), kind))
        if stat.S_ISDIR(status.st_mode):
            covered = frame.below.inside(last) if old is not None else _Below([], "")
            self._begin(fd, path, status, covered, kind is not None, place)
        # Only the innermost has its descriptors open: the tree may be deeper than there are descriptors.
        if self._frames[-1] is not frame:
            frame.below.close()

    def put_left(self, level: Level) -> None:
        frame = self._frames.pop()
        frame.below.close()
        self.found += [Change(_absolute(level.path + name), DELETED) for name in sorted(frame.deleted)]
        if not frame.told and len(self.found) > frame.place:
            self.found.insert(frame.place, Change(_absolute(level.path[:-1]), MODIFIED))

    def _begin(self, fd: int, path: str, status: os.stat_result, below: _Below, told: bool, place: int = 0) -> None:
        listing = self.enter(fd, f"{path}/" if path else "", b"", status)
        deleted = below.names() if overlayfs.is_opaque(listing) else set()
        self._frames.append(_Frame(below, place, told, deleted))

    def _capability_changed(self, fd: int, name: str, status: os.stat_result, below: _Below) -> bool:
        return stat.S_ISREG(status.st_mode) and _capability("", fd) != below.capability(name)


@contextmanager
def _opened(directories: Sequence[Path]) -> Iterator[list[int]]:
    fds: list[int] = []
    try:
        for directory in directories:
            fds.append(os.open(directory, LISTING))
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def _differ(new: os.stat_result, old: os.stat_result) -> bool:
    """Whether two files differ in what Docker looks at. Of directories size and time say nothing."""
    if (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) != (old.st_mode, old.st_uid, old.st_gid, old.st_rdev):
        return True
    if stat.S_ISDIR(new.st_mode):
        return False
    return new.st_size != old.st_size or not _same_time(new.st_mtime_ns, old.st_mtime_ns)


def _same_time(one: int, other: int) -> bool:
    # Archives have whole seconds: a time without a fraction may be one that lost it.
    if one % _SECOND and other % _SECOND:
        return one == other
    return one // _SECOND == other // _SECOND


def _absolute(path: str) -> bytes:
    return b"/" + os.fsencode(path)


def _stat(name: str, fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _is_empty(name: str, fd: int) -> bool:
    status = _stat(name, fd)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == 0


def _is_opaque(name: str, fd: int) -> bool:
    inner = os.open(name, LISTING, dir_fd=fd)
    try:
        return overlayfs.is_opaque(inner)
    finally:
        os.close(inner)


def _capability(name: str, fd: int) -> bytes:
    """Of the regular file ``name`` in the directory ``fd``, or of ``fd`` itself for ""."""
    path = f"/proc/self/fd/{fd}/{name}" if name else f"/proc/self/fd/{fd}"
    try:
        return os.getxattr(path, _CAPABILITY)
    except OSError:
        return b""
