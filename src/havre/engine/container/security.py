"""The words of ``--security-opt``: what each may say, and what they come to together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from havre.errors import InvalidParameter
from havre.lib.booleans import parse_bool


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """What was asked, None where nothing was. ``seccomp`` is a profile's text, "unconfined" or "builtin"."""

    no_new_privileges: bool | None = None
    seccomp: str | None = None
    apparmor: str | None = None
    writable_cgroups: bool | None = None
    # SELinux's labels mean something only to a daemon that uses SELinux; Docker's default is not to.
    labels: tuple[str, ...] = field(default=())


def parse(options: Iterable[str] | None) -> SecurityOptions:
    """Read ``name=value`` (or the old ``name:value``) words; of a name given twice, the last wins."""
    found: dict[str, Any] = {}
    labels: list[str] = []
    for option in options or ():
        if option in ("no-new-privileges", "writable-cgroups"):
            found[option.replace("-", "_")] = True
            continue
        if option == "disable":
            labels.append(option)
            continue
        name, given, value = option.partition("=" if "=" in option else ":")
        if not given:
            raise InvalidParameter(f'invalid --security-opt 1: "{option}"')
        match name:
            case "label":
                labels.append(value)
            case "apparmor" | "seccomp":
                # Nothing behind the sign is the default, as not given.
                found[name] = value or None
            case "no-new-privileges" | "writable-cgroups" if parse_bool(value) is not None:
                found[name.replace("-", "_")] = parse_bool(value)
            case _:
                raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
    return SecurityOptions(labels=tuple(labels), **found)
