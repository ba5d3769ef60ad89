"""The flags of instructions: which there are, and what is said when one is wrong."""

from collections.abc import Mapping, Sequence
from enum import Enum

from havre.dockerfile.faults import DockerfileError, nearest
from havre.lib.booleans import parse_bool


class Kind(Enum):
    """What a flag takes."""

    TEXT = "text"
    BOOL = "bool"
    TEXTS = "texts"


Known = Mapping[str, Kind]
NONE: Known = {}
FROM: Known = {"platform": Kind.TEXT}
RUN: Known = {"mount": Kind.TEXTS, "network": Kind.TEXT, "security": Kind.TEXT, "device": Kind.TEXTS}
COPY: Known = {
    "chmod": Kind.TEXT,
    "chown": Kind.TEXT,
    "exclude": Kind.TEXTS,
    "from": Kind.TEXT,
    "link": Kind.BOOL,
    "parents": Kind.BOOL,
}
ADD: Known = {
    "checksum": Kind.TEXT,
    "chmod": Kind.TEXT,
    "chown": Kind.TEXT,
    "exclude": Kind.TEXTS,
    "keep-git-dir": Kind.BOOL,
    "link": Kind.BOOL,
    "unpack": Kind.BOOL,
}
HEALTHCHECK: Known = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), Kind.TEXT)


class Flags:
    """The flags of one instruction, each read by its kind."""

    def __init__(self, words: Sequence[str], known: Known) -> None:
        self._values: dict[str, list[str]] = {}
        for word in words:
            name, equals, value = word.removeprefix("--").partition("=")
            kind = known.get(name)
            if kind is None:
                guess = nearest(name, tuple(known))
                raise DockerfileError(f"unknown flag: {name}" + (f" (did you mean {guess}?)" if guess else ""))
            if name in self._values and kind is not Kind.TEXTS:
                raise DockerfileError(f"duplicate flag specified: {name}")
            if not equals and kind is not Kind.BOOL:
                raise DockerfileError(f"missing a value on flag: {name}")
            self._values.setdefault(name, []).append(value if equals else "true")

    def text(self, name: str) -> str:
        """The value, empty when the flag is not there."""
        return self._values.get(name, [""])[0]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self._values.get(name, ()))

    def boolean(self, name: str) -> bool | None:
        """None when the flag is not there."""
        if name not in self._values:
            return None
        value = parse_bool(self.text(name))
        if value is None:
            raise DockerfileError(f"expecting boolean value for flag {name}, not: {self.text(name)}")
        return value
