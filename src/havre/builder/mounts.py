"""Directories that outlive builds: what ``RUN --mount=type=cache`` shows.

One directory an id, below the data root. ``shared`` ones are given to all who ask, ``locked`` ones to one after the
other, ``private`` ones to one each: whoever comes while it is in use gets a new one.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from havre.lib.ids import new_id

_DEFAULT_MODE = 0o755
_IDENTITY = "identity"  # a file beside the directories, with what commands call them
_GONE = "gone-"


@dataclass(slots=True)
class _Place:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    private: set[int] = field(default_factory=set)
    uses: int = 0


@dataclass(frozen=True, slots=True)
class CacheMount:
    """One of them, as it is counted: ``name`` on disk, bytes, times in nanoseconds since 1970."""

    name: str
    identity: str
    size: int
    created: int
    used: int
    in_use: bool


class CacheMounts:
    """The cache directories of one daemon, below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._places: dict[str, _Place] = {}

    @asynccontextmanager
    async def use(
        self, identity: str, sharing: str, mode: int | None, uid: int | None, gid: int | None
    ) -> AsyncIterator[tuple[Path, bool]]:
        """The directory of ``identity`` for the time of the block, and whether it is new (and empty)."""
        name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
        place = self._places.setdefault(name, _Place())
        place.uses += 1
        try:
            self._note(name, identity)
            if sharing == "locked":
                async with place.lock:
                    yield self._directory_of(name, 0, mode, uid, gid)
                return
            if sharing == "shared":
                yield self._directory_of(name, 0, mode, uid, gid)
                return
            number = next(n for n in range(len(place.private) + 1) if n not in place.private)
            place.private.add(number)
            try:
                yield self._directory_of(name, number, mode, uid, gid)
            finally:
                place.private.discard(number)
        finally:
            place.uses -= 1

    def all(self) -> list[CacheMount]:
        """All of them. Blocks."""
        found = []
        for path in self.directory.glob("*/" + _IDENTITY):
            used = path.stat()
            name = path.parent.name
            place = self._places.get(name)
            identity = path.read_bytes().decode("utf-8", "replace")
            in_use = place is not None and place.uses > 0
            created = path.parent.stat().st_ctime_ns
            found.append(CacheMount(name, identity, _size(path.parent), created, used.st_mtime_ns, in_use))
        return found

    async def remove(self, name: str) -> None:
        """Take one away, unless a command uses it."""
        place = self._places.get(name)
        if place is not None and place.uses:
            return
        gone = self.directory / f"{_GONE}{new_id()[:16]}"
        try:
            # At once: a command that asks for it from now on gets a new one.
            (self.directory / name).rename(gone)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)

    def _note(self, name: str, identity: str) -> None:
        """Write down what it is called, and that it is being used."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        (path / _IDENTITY).write_bytes(identity.encode("utf-8", "surrogateescape"))

    def _directory_of(
        self, name: str, number: int, mode: int | None, uid: int | None, gid: int | None
    ) -> tuple[Path, bool]:
        path = self.directory / name / str(number)
        try:
            path.mkdir()
        except FileExistsError:
            return path, False
        os.chown(path, uid or 0, gid or 0)
        path.chmod(_DEFAULT_MODE if mode is None else mode)
        return path, True


def _size(directory: Path) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(directory)
        for name in names
    )
