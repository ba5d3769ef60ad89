"""The driver ``journald``: to systemd's journal, with Docker's fields. ``docker logs`` reads the copy kept here."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from havre.logs import Facts, Follow, Selection, settings
from havre.logs.drivers.syslog import read_copy, remote_plan
from havre.logs.facts import ATTRIBUTES, attributes, tag
from havre.logs.segments import NEWEST


class JournaldDriver:
    """``--log-driver journald``."""

    name = "journald"
    connects = True

    def check(self, options: Mapping[str, str]) -> None:
        settings.check_names(self.name, options, ATTRIBUTES)
        settings.check_attributes(options)

    def path(self, directory: Path) -> Path | None:
        return directory / NEWEST

    def log_path(self, directory: Path) -> Path | None:
        return None

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        word = tag(facts, options)
        fields = {
            "CONTAINER_ID": facts.id[:12],
            "CONTAINER_ID_FULL": facts.id,
            "CONTAINER_NAME": facts.name,
            "CONTAINER_TAG": word,
            "IMAGE_NAME": facts.image,
            "SYSLOG_IDENTIFIER": word,
        }
        # A field that journald itself or Docker gives is not for a label to say.
        given = {key: value for key, value in attributes(facts, options, _field).items() if key}
        return remote_plan("journald", facts, options, {"fields": {**given, **fields}})

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
    ) -> AsyncIterator[bytes]:
        return read_copy(directory, options, selection, follow)


def _field(name: str) -> str:
    """A name as journald takes them: capital letters, digits and underscores, of which none stands first."""
    return re.sub("[^A-Z0-9]", "_", name.upper()).lstrip("_")
