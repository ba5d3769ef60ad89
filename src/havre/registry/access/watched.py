"""A file that people and commands change while the registry runs: read again when it is another one."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from havre.errors import HavreError, InvalidParameter

log = logging.getLogger(__name__)
T = TypeVar("T")


class WatchedFile(Generic[T]):
    """What ``parse`` makes of the file at ``path``; of a missing file it makes what it makes of an empty one."""

    def __init__(self, path: Path, parse: Callable[[str, str], T], *, must_exist: bool = False) -> None:
        """Read it. InvalidParameter when it makes no sense, or when it ``must_exist`` and does not."""
        self.path = path
        self._parse = parse
        self._seen = self._stamp()
        if must_exist and self._seen is None:
            raise InvalidParameter(f"{path}: no such file")
        self._value = self._read()

    def current(self) -> T:
        """The content now; one that makes no sense is logged, and the last good one stays."""
        if (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            try:
                self._value = self._read()
            except HavreError as error:
                log.error("going on with the content that was there before: %s", error.message)
        return self._value

    def _read(self) -> T:
        try:
            text = self.path.read_text("utf-8") if self._seen is not None else ""
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidParameter(f"{self.path}: {error}") from error
        return self._parse(text, str(self.path))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)
