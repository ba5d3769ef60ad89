"""The ``--platform`` flag of the image commands: text as typed to the JSON the API wants."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
    "i686": "386",
}
_OPERATING_SYSTEMS = frozenset(("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1"))


def as_query(text: str) -> dict[str, str] | None:
    """``linux/arm64/v8`` as the API's platform object; None for "" (the query leaves it out). Raises CommandError."""
    if not text:
        return None
    parts = text.split("/")
    if len(parts) > 3:
        raise CommandError(f'"{text}": cannot parse platform specifier: invalid argument')
    for part in parts:
        if not part.isascii() or not part.replace("_", "").replace("-", "").replace(".", "").isalnum():
            raise CommandError(
                f'"{part}" is an invalid component of "{text}": platform specifier component must match '
                '"^[A-Za-z0-9_.-]+$": invalid argument'
            )
    parts = [part.lower() for part in parts]
    if len(parts) == 1 and parts[0] not in _OPERATING_SYSTEMS:
        parts.insert(0, "linux")
    platform = {"architecture": _ARCHITECTURES.get(parts[1], parts[1])} if len(parts) > 1 else {}
    platform["os"] = parts[0]
    if len(parts) > 2:
        platform["variant"] = parts[2]
    return platform


def split(values: Iterable[str]) -> list[str]:
    """The values of a flag that may be repeated and may hold several at once, set apart by commas."""
    return [part for value in values for part in value.split(",") if part]
