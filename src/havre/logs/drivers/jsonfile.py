"""The driver ``json-file``, the default: Docker's JSON lines in ``<id>-json.log``, which other tools read too."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from havre.logs import Facts, Follow, Selection, settings
from havre.logs.facts import ATTRIBUTES, json_attributes
from havre.logs.jsonlines import JsonLines
from havre.logs.reading import read
from havre.logs.segments import NEWEST


class JsonFileDriver:
    """``--log-driver json-file``."""

    name = "json-file"
    connects = False

    def check(self, options: Mapping[str, str]) -> None:
        settings.check_names(self.name, options, ("max-size", "max-file", "compress", *ATTRIBUTES))
        settings.json_rotation(options)
        settings.check_attributes(options)

    def path(self, directory: Path) -> Path | None:
        return directory / NEWEST

    def log_path(self, directory: Path) -> Path | None:
        return directory / _name(directory.name)

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        rotation = settings.json_rotation(options).document()
        target = {"file": _name(facts.id), "attributes": json_attributes(facts, options), **rotation}
        return {"kind": "json", "name": facts.name, "rotation": settings.PASSING.document(), "target": target}

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
    ) -> AsyncIterator[bytes]:
        newest = directory / _name(directory.name)

        def older() -> list[Path]:
            files = []
            number = 1
            while found := [path for ending in ("", ".gz") if (path := _numbered(newest, number, ending)).exists()]:
                files.append(found[0])
                number += 1
            return files[::-1]

        return read(newest, older, JsonLines(), selection, follow)


def _name(container_id: str) -> str:
    return f"{container_id}-json.log"


def _numbered(path: Path, number: int, ending: str) -> Path:
    return path.with_name(f"{path.name}.{number}{ending}")
