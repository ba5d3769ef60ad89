"""The driver that keeps nothing."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from havre.errors import Unsupported
from havre.logs import Facts, Follow, Selection

UNREADABLE = "configured logging driver does not support reading"


class NoneDriver:
    """``--log-driver none``."""

    name = "none"
    connects = False

    def check(self, options: Mapping[str, str]) -> None:
        # dockerd takes any option here.
        return

    def path(self, directory: Path) -> Path | None:
        return None

    def log_path(self, directory: Path) -> Path | None:
        return None

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        return None

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
    ) -> AsyncIterator[bytes]:
        raise Unsupported(UNREADABLE)
