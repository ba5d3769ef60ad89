"""Devices of a container: those every container has, those asked for by ``--device``, and all of them for a privileged
one.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from havre.errors import InvalidParameter
from havre.wire.containers import DeviceMapping

# Looking for devices in a directory ends here: somebody asked for a whole disk.
_MOST_FILES = 10_000

# (type, major, minor, access) as the device controller takes them; None is "any". Docker's defaults: making device
# nodes is allowed, using them is not, but for the harmless ones. The runtime itself makes the nodes of /dev and allows
# pts and tty.
_DEFAULT_RULES: tuple[tuple[str, int | None, int | None, str], ...] = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", 1, 3, "rwm"),
    ("c", 1, 5, "rwm"),
    ("c", 1, 7, "rwm"),
    ("c", 1, 8, "rwm"),
    ("c", 1, 9, "rwm"),
    ("c", 5, 0, "rwm"),
    ("c", 5, 1, "rwm"),
    ("c", 5, 2, "rwm"),
    ("c", 136, None, "rwm"),
)


def rules(
    privileged: bool, devices: Sequence[dict[str, Any]], accesses: Sequence[str], added: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """``linux.resources.devices``: deny all, then what is allowed. ``accesses`` runs along ``devices``; ``added`` are
    rules in the kernel's own words, ``c 1:3 rwm``.
    """
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    allowed = [{"allow": False, "access": "rwm"}]
    for kind, major, minor, access in _DEFAULT_RULES:
        allowed.append(_rule(kind, major, minor, access))
    for device, access in zip(devices, accesses, strict=True):
        allowed.append(_rule(device["type"], device["major"], device["minor"], access))
    for rule in added:
        kind, numbers, access = rule.split()
        major, minor = (None if number == "*" else int(number) for number in numbers.split(":"))
        allowed.append(_rule(kind, major, minor, access))
    return allowed


def _rule(kind: str, major: int | None, minor: int | None, access: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    if major is not None:
        rule["major"] = major
    if minor is not None:
        rule["minor"] = minor
    return rule


def requested(mappings: Iterable[DeviceMapping]) -> tuple[list[dict[str, Any]], list[str]]:
    """The nodes for ``--device`` (``linux.devices`` entries; a directory brings all below it) and their access, in
    step.
    """
    nodes: list[dict[str, Any]] = []
    accesses: list[str] = []
    for mapping in mappings:
        access = mapping.cgroup_permissions or "rwm"
        if set(access) - set("rwm"):
            raise InvalidParameter(f"invalid device mode: {access}")
        source, target = mapping.path_on_host, mapping.path_in_container or mapping.path_on_host
        # A link such as /dev/cdrom stands for the device it points at.
        found = _below(os.path.realpath(source), target) if source else []
        if not found:
            reason = "not a device node" if source and os.path.exists(source) else "no such file or directory"
            raise InvalidParameter(
                f'error gathering device information while adding custom device "{source}": {reason}'
            )
        nodes += found
        accesses += [access] * len(found)
    return nodes, accesses


def all_host_devices() -> list[dict[str, Any]]:
    """Every device below ``/dev`` but those the runtime mounts or makes itself: what a privileged container sees."""
    skip = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}
    made = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"}
    nodes: list[dict[str, Any]] = []
    for entry in sorted(Path("/dev").iterdir()):
        if entry.name not in skip | made:
            nodes += _below(str(entry), str(entry))
    return nodes


def _below(source: str, target: str) -> list[dict[str, Any]]:
    """The node at ``source``, or those in the directory there, as ``target`` or below it."""
    nodes: list[dict[str, Any]] = []
    waiting, seen = [(source, target)], 0
    while waiting:
        path, name = waiting.pop()
        try:
            info = os.lstat(path)
            if stat.S_ISDIR(info.st_mode):
                waiting += [(f"{path}/{entry}", f"{name}/{entry}") for entry in sorted(os.listdir(path), reverse=True)]
        except OSError:
            continue
        seen += 1
        if seen > _MOST_FILES:
            raise InvalidParameter(f'"{source}" is no directory of devices: it holds more than {_MOST_FILES} files')
        if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            nodes.append(_node(name, info))
    return nodes


def _node(path: str, info: os.stat_result) -> dict[str, Any]:
    return {
        "type": "c" if stat.S_ISCHR(info.st_mode) else "b",
        "path": path,
        "major": os.major(info.st_rdev),
        "minor": os.minor(info.st_rdev),
        "fileMode": stat.S_IMODE(info.st_mode),
        "uid": info.st_uid,
        "gid": info.st_gid,
    }
