"""Copies of clients' directories: each build gets only what changed since the client's last one.

One copy is a ``tree`` and an ``index`` of what is in it, below a directory named by the client and its directory's key.
A build has a copy to itself; another at the same time gets a second one. The index is away while a copy is changed: one
without an index is made anew.
"""

import asyncio
import hashlib
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from havre.builder.buildkit.messages.session import Stat
from havre.builder.keptcontexts import KeptContext
from havre.builder.trees import Directory

_SECOND = 1_000_000_000
_UNUSED_SECONDS = 7 * 24 * 3600.0


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file as its sender told it; ``digest`` of what was sent."""

    mode: int
    size: int
    mtime: int
    link: str
    digest: str = ""

    def same(self, other: "Entry") -> bool:
        return (self.mode, self.size, self.mtime, self.link) == (other.mode, other.size, other.mtime, other.link)


@dataclass(slots=True)
class _Writing:
    fd: int
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


class Copy:
    """One copy, as the ``Sink`` of a transfer. ``commit`` makes it whole."""

    def __init__(self, place: Path) -> None:
        self._tree = place / "tree"
        self._index = place / "index"
        self._before: dict[str, Entry] = {}
        self._now: dict[str, Entry] = {}
        self._writing: dict[str, _Writing] = {}

    def begin(self) -> None:
        """Ready for a transfer. Blocks."""
        try:
            self._before = msgspec.json.decode(self._index.read_bytes(), type=dict[str, Entry])
            self._index.unlink()
        except (OSError, msgspec.MsgspecError):
            shutil.rmtree(self._tree.parent, ignore_errors=True)
        self._tree.mkdir(parents=True, exist_ok=True)

    def entry(self, path: str, mode: int, told: Stat) -> bool:
        kind = stat.S_IFMT(mode)
        if kind in (stat.S_IFBLK, stat.S_IFCHR, stat.S_IFSOCK):
            return False  # devices and sockets are no files to build with
        entry = Entry(mode, told.size if kind == stat.S_IFREG else 0, told.mtime, told.linkname)
        before = self._before.pop(path, None)
        if before is not None and before.same(entry):
            self._now[path] = before
            return False
        self._now[path] = entry
        target = self._tree / path
        if before is not None and not (stat.S_ISDIR(before.mode) and kind == stat.S_IFDIR):
            self._remove(path, before)
        if kind == stat.S_IFDIR:
            target.mkdir(exist_ok=True)
            target.chmod(stat.S_IMODE(mode))
        elif kind == stat.S_IFLNK:
            os.symlink(told.linkname, target)
            os.utime(target, ns=_times(entry), follow_symlinks=False)
        elif kind == stat.S_IFIFO:
            os.mkfifo(target, stat.S_IMODE(mode))
        elif told.linkname:
            os.link(self._tree / told.linkname, target)
        else:
            return True
        return False

    def data(self, path: str, data: bytes) -> None:
        writing = self._opened(path)
        writing.digest.update(data)
        while data:
            data = data[os.write(writing.fd, data) :]

    def end(self, path: str) -> None:
        writing = self._opened(path)
        entry = self._now[path]
        os.fchmod(writing.fd, stat.S_IMODE(entry.mode))
        os.utime(writing.fd, ns=_times(entry))
        os.close(self._writing.pop(path).fd)
        self._now[path] = msgspec.structs.replace(entry, digest=writing.digest.hexdigest())

    def complete(self) -> None:
        for path in sorted(self._before, reverse=True):
            self._remove(path, self._before[path])
        self._before = {}

    def close(self) -> None:
        """Give up what is open."""
        for writing in self._writing.values():
            os.close(writing.fd)
        self._writing = {}

    def commit(self) -> Directory:
        """The whole tree, known by its content. Blocks."""
        for path, entry in self._now.items():
            if stat.S_ISDIR(entry.mode):
                os.utime(self._tree / path, ns=_times(entry))
        self._index.write_bytes(msgspec.json.encode(self._now))
        content = sorted((path, entry.mode, entry.link, entry.digest) for path, entry in self._now.items())
        return Directory(self._tree, f"files sha256:{hashlib.sha256(msgspec.json.encode(content)).hexdigest()}")

    def _opened(self, path: str) -> _Writing:
        writing = self._writing.get(path)
        if writing is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            writing = self._writing[path] = _Writing(os.open(self._tree / path, flags, 0o600))
        return writing

    def _remove(self, path: str, entry: Entry) -> None:
        target = self._tree / path
        if not stat.S_ISDIR(entry.mode):
            target.unlink(missing_ok=True)
            return
        # All that was in it goes with it, and is told no more as what was there before.
        shutil.rmtree(target, ignore_errors=True)
        for below in [name for name in self._before if name.startswith(f"{path}/")]:
            del self._before[below]


class ContextCopies:
    """The copies of one daemon, below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._used: set[Path] = set()

    def clear_unused(self) -> None:
        """Remove what no build has asked for in a week. Blocks."""
        limit = time.time() - _UNUSED_SECONDS
        for place in self._directory.glob("*"):
            if place not in self._used and place.stat().st_mtime < limit:
                shutil.rmtree(place, ignore_errors=True)

    def all(self) -> list[KeptContext]:
        """As they are counted. Blocks."""
        found = []
        for place in self._directory.glob("*"):
            status = place.stat()
            used, made = status.st_mtime_ns, status.st_ctime_ns
            found.append(KeptContext(place.name, _size(place), min(used, made), used, place in self._used))
        return found

    async def remove(self, identity: str) -> None:
        """Take one away, unless a build uses it."""
        place = self._directory / identity
        if place not in self._used:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    @asynccontextmanager
    async def use(self, key: str) -> AsyncIterator[Copy]:
        """The copy of the directory ``key``, for this build alone."""
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        places = (self._directory / f"{name}.{number}" for number in range(len(self._used) + 1))
        place = next(place for place in places if place not in self._used)
        self._used.add(place)
        copy = Copy(place)
        try:
            yield copy
        finally:
            copy.close()
            self._used.discard(place)


def _times(entry: Entry) -> tuple[int, int]:
    # In whole seconds, as contexts that come as archives have them: so the images are the same.
    whole = entry.mtime // _SECOND * _SECOND
    return whole, whole


def _size(directory: Path) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(directory)
        for name in names
    )
