"""The ``--platform`` flag of the image commands: text as typed to the JSON the API wants."""

from __future__ import annotations

import os

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
_SYSTEM = r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?"
_PART = "[A-Za-z0-9_.-]+"
_OPERATING_SYSTEMS = frozenset(("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1"))


def as_query(text: str) -> dict[str, str] | None:
    """``linux/arm64/v8`` as the API's platform object; None for "" (the query leaves it out). Raises CommandError."""
    if not text:
        return None
    import re

    first, *rest = text.split("/")
    if len(rest) > 2:
        raise CommandError(f'"{text}": cannot parse platform specifier: invalid argument')
    system = re.fullmatch(_SYSTEM, first, re.ASCII)
    if system is None:
        raise _wrong(first, text, " OS", "OSAndVersion", _SYSTEM.replace("\\", "\\\\"))
    for part in rest:
        if re.fullmatch(_PART, part, re.ASCII) is None:
            raise _wrong(part, text, "", "platform", _PART)
    name, parts = system[1].lower(), [part.lower() for part in rest]
    if not parts and name not in _OPERATING_SYSTEMS:
        name, parts = "linux", [name]
    platform = {"architecture": _ARCHITECTURES.get(parts[0], parts[0])} if parts else {}
    platform["os"] = name
    if system[2]:
        platform["os.version"] = system[2]
    if len(parts) > 1:
        platform["variant"] = parts[1]
    return platform


def full(text: str) -> str:
    """``linux/arm64/v8`` with every part named, our own architecture where none is: what ``create`` asks for. Raises
    CommandError.
    """
    try:
        parts = as_query(text) or {}
    except CommandError as error:
        raise CommandError(f"error parsing specified platform: {error}") from error
    if "architecture" not in parts:
        machine = os.uname().machine
        parts["architecture"] = _ARCHITECTURES.get(machine, machine)
    return "/".join(parts[name] for name in ("os", "architecture", "variant") if name in parts)


def _wrong(part: str, text: str, kind: str, what: str, pattern: str) -> CommandError:
    return CommandError(
        f'"{part}" is an invalid{kind} component of "{text}": {what} specifier component must match "^{pattern}$": '
        "invalid argument"
    )


def split(values: Iterable[str]) -> list[str]:
    """The values of a flag that may be repeated and may hold several at once, set apart by commas."""
    return [part for value in values for part in value.split(",") if part]
