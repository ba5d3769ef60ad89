"""Keeping conmon's files small: rotate the newest, drop or compress those before it."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from havre.logs.segments import NEWEST, Segment, compress, rotate, rotated

_PATIENCE = 1.0


class Rotation:
    """One container's. ``reopen`` asks for conmon to open its file again.

    With ``max_file`` 0 a file is dropped once it is taken on; else as many are kept, taken on or not.
    """

    def __init__(self, directory: Path, config: dict[str, Any], reopen: Callable[[], None]) -> None:
        self._directory = directory
        self._max_size = int(config["max_size"])
        self._max_file = int(config["max_file"])
        self._compress = bool(config["compress"])
        self._reopen = reopen
        self._asked = 0.0
        self._compression: Thread | None = None

    def check(self, taken: int, *, writing: bool) -> bool:
        """Rotate if it is time and conmon is ``writing``; segments below ``taken`` are not needed any more. True while
        conmon has yet to open its new file.
        """
        newest = self._directory / NEWEST
        try:
            size = newest.stat().st_size
        except FileNotFoundError:
            size = -1
        if writing and size >= self._max_size:
            rotate(self._directory, taken)
            size = -1
            self._asked = 0.0
        before = rotated(self._directory)
        waits = writing and size < 0 and bool(before)
        if waits and time.monotonic() - self._asked > _PATIENCE:
            self._asked = time.monotonic()
            self._reopen()
        self._prune(before if size >= 0 else before[:-1], taken)
        return waits

    def close(self) -> None:
        """Wait for what runs beside."""
        if self._compression is not None:
            self._compression.join()

    def _prune(self, complete: list[Segment], taken: int) -> None:
        if self._max_file == 0:
            for segment in complete:
                if segment.number < taken:
                    segment.path.unlink(missing_ok=True)
            return
        surplus = max(0, len(complete) - (self._max_file - 1))
        for segment in complete[:surplus]:
            segment.path.unlink(missing_ok=True)
        if not self._compress or (self._compression is not None and self._compression.is_alive()):
            return
        for segment in complete[surplus:]:
            if segment.number < taken and not segment.compressed:
                target = segment.path.with_name(f"{segment.path.name}.gz")
                self._compression = Thread(target=compress, args=(segment.path, target))
                self._compression.start()
                return
