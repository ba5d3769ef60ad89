"""The driver ``local``: conmon's own files in the container's directory, rotated by size."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from havre.logs import Facts, Follow, Selection, settings
from havre.logs.reading import read
from havre.logs.records import Records
from havre.logs.segments import NEWEST, rotated


class LocalDriver:
    """``--log-driver local``."""

    name = "local"
    connects = False

    def check(self, options: Mapping[str, str]) -> None:
        settings.check_names(self.name, options, ("max-size", "max-file", "compress"))
        settings.local_rotation(options)

    def path(self, directory: Path) -> Path | None:
        return directory / NEWEST

    def log_path(self, directory: Path) -> Path | None:
        return None

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        return {"kind": "local", "name": facts.name, "rotation": settings.local_rotation(options).document()}

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
    ) -> AsyncIterator[bytes]:
        return read_segments(directory, selection, follow)


def read_segments(directory: Path, selection: Selection, follow: Follow | None) -> AsyncIterator[bytes]:
    """What conmon wrote, from its own files."""

    def older() -> list[Path]:
        return [segment.path for segment in rotated(directory)]

    return read(directory / NEWEST, older, Records(), selection, follow)
