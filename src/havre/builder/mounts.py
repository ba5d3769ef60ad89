"""Directories that outlive builds: what ``RUN --mount=type=cache`` shows.

One directory an id, below the data root. ``shared`` ones are given to all who ask, ``locked`` ones to one after the
other, ``private`` ones to one each: whoever comes while it is in use gets a new one.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_DEFAULT_MODE = 0o755


@dataclass(slots=True)
class _Place:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    private: set[int] = field(default_factory=set)


class CacheMounts:
    """The cache directories of one daemon, below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[str, _Place] = {}

    @asynccontextmanager
    async def use(
        self, identity: str, sharing: str, mode: int | None, uid: int | None, gid: int | None
    ) -> AsyncIterator[tuple[Path, bool]]:
        """The directory of ``identity`` for the time of the block, and whether it is new (and empty)."""
        name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
        place = self._places.setdefault(name, _Place())
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

    def size(self) -> int:
        """Bytes in all of them. Blocks."""
        return sum(
            os.lstat(os.path.join(folder, name)).st_blocks * 512
            for folder, _, names in os.walk(self._directory)
            for name in names
        )

    def _directory_of(
        self, name: str, number: int, mode: int | None, uid: int | None, gid: int | None
    ) -> tuple[Path, bool]:
        path = self._directory / name / str(number)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            return path, False
        os.chown(path, uid or 0, gid or 0)
        path.chmod(_DEFAULT_MODE if mode is None else mode)
        return path, True
