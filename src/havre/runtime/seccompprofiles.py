"""System call policies of users: the JSON of ``--security-opt seccomp=FILE``, in Docker's form.

A profile speaks of every machine at once: rules for a capability, an architecture, a kernel. ``resolve`` keeps those
that apply to a container here; the result is ``linux.seccomp`` of the OCI configuration.
"""

import platform
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import msgspec

from havre.errors import InvalidParameter
from havre.runtime.seccomp import FAMILIES

_ACTIONS = frozenset(
    f"SCMP_ACT_{name}" for name in "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY".split()
)
_OPERATORS = frozenset(f"SCMP_CMP_{name}" for name in "NE LT LE EQ GE GT MASKED_EQ".split())
_ARCHITECTURE = re.compile("SCMP_ARCH_[A-Z0-9_]+")
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")


class _When(msgspec.Struct, rename="camel"):
    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str | None = None


class _Rule(msgspec.Struct, rename="camel"):
    action: str
    name: str | None = None
    names: list[str] | None = None
    args: list[dict[str, Any]] | None = None
    errno_ret: int | None = None
    includes: _When | None = None
    excludes: _When | None = None


class _Family(msgspec.Struct, rename="camel"):
    architecture: str
    sub_architectures: list[str] | None = None


class Profile(msgspec.Struct, rename="camel"):
    """A profile as its file says it; made by ``parse``."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: list[str] | None = None
    arch_map: list[_Family] | None = None
    flags: list[str] | None = None
    listener_path: str | None = None
    listener_metadata: str | None = None
    syscalls: list[_Rule] | None = None


@lru_cache(maxsize=16)
def parse(text: str) -> Profile:
    """Read a profile. ``InvalidParameter`` for what is none: no JSON, an unknown action, or two words for one thing."""
    try:
        profile = msgspec.json.decode(text, type=Profile)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidParameter(f"Decoding seccomp profile failed: {error}") from None
    if profile.architectures and profile.arch_map:
        raise InvalidParameter(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    rules = profile.syscalls or []
    for name in (*(profile.architectures or ()), *(family.architecture for family in profile.arch_map or ())):
        if not _ARCHITECTURE.fullmatch(name):
            raise InvalidParameter(f"string {name} is not a valid arch for seccomp")
    if profile.default_action == "SCMP_ACT_NOTIFY":
        raise InvalidParameter("SCMP_ACT_NOTIFY cannot be used as default action")
    for action in (profile.default_action, *(rule.action for rule in rules)):
        if action not in _ACTIONS:
            raise InvalidParameter(f"string {action} is not a valid action for seccomp")
    for rule in rules:
        if rule.name and rule.names:
            raise InvalidParameter(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'"
            )
        for argument in rule.args or ():
            if argument.get("op") not in _OPERATORS:
                raise InvalidParameter(f"string {argument.get('op')} is not a valid operator for seccomp")
        for when in (rule.includes, rule.excludes):
            if when and when.min_kernel and not _VERSION.match(when.min_kernel):
                raise InvalidParameter(f"Decoding seccomp profile failed: invalid kernel version {when.min_kernel!r}")
    return profile


def resolve(text: str, capabilities: Collection[str], architecture: str, kernel: str = "") -> dict[str, Any]:
    """``linux.seccomp`` for a process with ``capabilities`` on ``architecture`` (Go's name) and ``kernel``, this one if
    it is empty.
    """
    profile = parse(text)
    version = _version(kernel or platform.release())
    families = [[entry.architecture, *(entry.sub_architectures or [])] for entry in profile.arch_map or []]
    main = FAMILIES.get(architecture, [""])[0]
    resolved: dict[str, Any] = {
        "defaultAction": profile.default_action,
        "architectures": profile.architectures or next((family for family in families if family[0] == main), []),
        "syscalls": [
            _oci(rule) for rule in profile.syscalls or [] if _applies(rule, capabilities, architecture, version)
        ],
    }
    for key, value in (
        ("defaultErrnoRet", profile.default_errno_ret),
        ("flags", profile.flags),
        ("listenerPath", profile.listener_path),
        ("listenerMetadata", profile.listener_metadata),
    ):
        if value is not None:
            resolved[key] = value
    return resolved


def _applies(rule: _Rule, capabilities: Collection[str], architecture: str, kernel: tuple[int, int]) -> bool:
    needed, barred = rule.includes or _When(), rule.excludes or _When()
    if needed.arches and architecture not in needed.arches:
        return False
    if needed.min_kernel and kernel < _version(needed.min_kernel):
        return False
    if not set(needed.caps or ()) <= set(capabilities):
        return False
    if barred.min_kernel and kernel >= _version(barred.min_kernel):
        return False
    return architecture not in (barred.arches or ()) and not set(barred.caps or ()) & set(capabilities)


def _version(text: str) -> tuple[int, int]:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _oci(rule: _Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"names": rule.names or [rule.name or ""], "action": rule.action}
    if rule.args is not None:
        found["args"] = rule.args
    if rule.errno_ret is not None:
        found["errnoRet"] = rule.errno_ret
    return found
