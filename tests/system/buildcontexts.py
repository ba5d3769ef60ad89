"""Build contexts on disk, for the tests of builds."""

from collections.abc import Mapping
from pathlib import Path


class DiskContext:
    """A directory to build from."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
