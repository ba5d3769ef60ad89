"""Where a container's control group lies, by who makes it: the runtime itself (cgroupfs), or systemd at its request.

A *group* is the path below the roots of the trees, which is all the other modules need: ``/havre/<id>``, or
``/system.slice/havre-<id>.scope``. systemd is asked in words of its own, ``slice:prefix:name``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from havre.errors import InvalidParameter

CGROUPFS, SYSTEMD = "cgroupfs", "systemd"
_PREFIX = "havre"
_LONGEST_NAME, _LONGEST_PATH = 255, 3072
_BOOTED_BY_SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class CgroupDriver:
    """One of the two ways. ``parent`` is where the containers go that name no place of their own."""

    name: str = CGROUPFS
    parent: str = ""

    @property
    def systemd(self) -> bool:
        return self.name == SYSTEMD

    def group(self, parent: str, container_id: str) -> str:
        """The group of a container below ``parent`` (empty: the daemon's own choice)."""
        if self.systemd:
            place = expand_slice(parent or self.parent or "system.slice")
            return f"{place}/{_PREFIX}-{container_id}.scope"
        place = (parent or self.parent or _PREFIX).strip("/")
        return "/" + os.path.normpath(f"/{place}/{container_id}").lstrip("/")

    def words(self, group: str) -> str:
        """``linux.cgroupsPath`` for the runtime that is to make ``group``."""
        if not self.systemd:
            return group
        place, _, unit = group.rpartition("/")
        return f"{place.rpartition('/')[2]}:{_PREFIX}:{unit.removeprefix(f'{_PREFIX}-').removesuffix('.scope')}"

    def check(self, parent: str) -> None:
        """Refuse a parent the driver has no place for, with Docker's text."""
        if self.systemd and (len(parent) <= len(".slice") or not parent.endswith(".slice")):
            raise InvalidParameter('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"')
        if self.systemd:
            expand_slice(parent)
        if len(parent) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parent.split("/")):
            raise InvalidParameter(f"cgroup-parent is too long: {parent[:80]}…")


def choose(options: tuple[str, ...], parent: str) -> CgroupDriver:
    """The driver of ``exec-opts`` (``native.cgroupdriver=…``), cgroupfs if they say nothing.

    Raises ``InvalidParameter`` for an option nobody knows, and for systemd on a host it does not run.
    """
    name = CGROUPFS
    for option in options:
        key, _, value = option.partition("=")
        if key.lower() != "native.cgroupdriver":
            raise InvalidParameter(f"unknown exec-opt {option!r}: the one there is is native.cgroupdriver")
        if value not in (CGROUPFS, SYSTEMD):
            raise InvalidParameter(f"native.cgroupdriver option {value} not supported")
        name = value
    if name == SYSTEMD and not _BOOTED_BY_SYSTEMD.is_dir():
        raise InvalidParameter(
            "exec-opt native.cgroupdriver=systemd: systemd does not run on this host, use native.cgroupdriver=cgroupfs"
        )
    driver = CgroupDriver(name, parent)
    if parent:
        driver.check(parent)
    return driver


def group_of(words: str) -> str:
    """The group that ``linux.cgroupsPath`` means, whichever driver wrote it."""
    if words.startswith("/"):
        return words
    place, prefix, name = words.split(":")
    return f"{expand_slice(place)}/{prefix}-{name}.scope"


def expand_slice(name: str) -> str:
    """The path of a slice: ``a-b.slice`` lies in ``a.slice``, and ``-.slice`` is the root."""
    stem = name.removesuffix(".slice")
    if stem == "-":
        return ""
    parts = stem.split("-")
    if "/" in name or not all(parts):
        raise InvalidParameter(f"invalid slice name: {name}")
    return "".join(f"/{'-'.join(parts[: end + 1])}.slice" for end in range(len(parts)))
