"""The driver ``json-file``, the default: Docker's JSON lines in ``<id>-json.log``, which other tools read too."""

import os
import re
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
            # From one look at the directory: while files are renamed there is a number missing for a moment.
            rotated = re.compile(re.escape(newest.name) + r"\.([0-9]+)(\.gz)?")
            found: dict[int, Path] = {}
            for name in sorted(os.listdir(directory), reverse=True):
                if match := rotated.fullmatch(name):
                    # Of one that is there twice, compression being under way, the plain one.
                    found[int(match[1])] = directory / name
            return [found[number] for number in sorted(found, reverse=True)]

        return read(newest, older, JsonLines(), selection, follow)


def _name(container_id: str) -> str:
    return f"{container_id}-json.log"
