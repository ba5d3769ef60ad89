"""Broken-off downloads, kept for the next attempt within bounds of bytes and age. ``BlobStore`` comes in here."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

STAGED = "staged-"


@dataclass(frozen=True, slots=True)
class PartialLimits:
    """What may be kept of downloads that nobody carries on: ``size`` bytes in all, for ``age`` seconds."""

    size: int = 10 << 30
    age: float = 24 * 3600.0


class PartialStore:
    """The files in ``ingest/`` that a later download resumes. ``busy`` tells whether one is being written."""

    def __init__(self, directory: Path, limits: PartialLimits, busy: Callable[[str], bool]) -> None:
        self._directory = directory
        self._limits = limits
        self._busy = busy
        self._timer: asyncio.TimerHandle | None = None

    def path(self, digest: str) -> Path:
        """Where the bytes of a blob lie until they are all there."""
        return self._directory / digest.replace(":", "-")

    def size(self) -> int:
        """Bytes that wait for somebody to carry their download on."""
        return sum(size for _, size, _ in self._idle())

    def drop(self) -> int:
        """Remove all of them; returns their bytes."""
        return sum(self._remove(path, size) for path, size, _ in self._idle())

    def bound(self) -> None:
        """Remove those that are too old, then the oldest until the rest is not too much; and look again when the
        oldest of these will be too old.
        """
        now = time.time()
        kept: list[tuple[Path, int, float]] = []
        total = 0
        for path, size, changed in sorted(self._idle(), key=lambda entry: -entry[2]):
            total += size
            if now - changed > self._limits.age or total > self._limits.size:
                log.info("broken-off download %s (%d bytes) is kept no longer", path.name, self._remove(path, size))
                total -= size
            else:
                kept.append((path, size, changed))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if kept:
            pause = max(1.0, kept[-1][2] + self._limits.age - now + 1)
            self._timer = asyncio.get_running_loop().call_later(pause, self.bound)

    def _idle(self) -> list[tuple[Path, int, float]]:
        found = []
        for entry in os.scandir(self._directory):
            if not entry.name.startswith(STAGED) and not self._busy(entry.name.replace("-", ":", 1)):
                status = entry.stat()
                found.append((Path(entry.path), status.st_size, status.st_mtime))
        return found

    def _remove(self, path: Path, size: int) -> int:
        path.unlink(missing_ok=True)
        return size
