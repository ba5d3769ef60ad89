"""The driver that keeps nothing."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from havre.errors import InvalidParameter, Unsupported
from havre.logs import Follow, Selection


class NoneDriver:
    """``--log-driver none``."""

    name = "none"

    def path(self, directory: Path) -> Path | None:
        return None

    def read(self, directory: Path, selection: Selection, follow: Follow | None) -> AsyncIterator[bytes]:
        raise Unsupported("configured logging driver does not support reading")

    def rotate(self, directory: Path, options: Mapping[str, str]) -> bool:
        return False

    def check(self, options: Mapping[str, str]) -> None:
        for option in options:
            raise InvalidParameter(f"unknown log opt '{option}' for none log driver")
