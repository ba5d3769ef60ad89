"""Changes: what a container has changed of its image. ``docker diff`` comes in here.

Volumes and mounts are not looked at: of them there is only the mount point, where that had to be made.
"""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

from havre.engine.container.record import DEAD, REMOVING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, NotFound, SystemFault
from havre.image.snapshots import Snapshotter
from havre.kernel import layerdiff

ETC, ETC_FILES = "etc", ("resolv.conf", "hostname", "hosts")
"""What a container gets of its own; where the image lacks a file, the runtime makes an empty one to mount upon."""

# Made as mount points where an image lacks them: in Docker they belong to a layer below the container's.
_FILES = frozenset(f"{ETC}/{name}" for name in ETC_FILES)
_DIRECTORIES = frozenset(("dev", "dev/mqueue", "dev/pts", "dev/shm", ETC, "proc", "sys"))


class Changes:
    """``GET /containers/{id}/changes``."""

    def __init__(self, registry: Registry, snapshotter: Snapshotter) -> None:
        self._registry = registry
        self._snapshotter = snapshotter

    async def list(self, reference: str) -> list[dict[str, Any]] | None:
        """``{"Path", "Kind"}`` of each (0 modified, 1 added, 2 deleted), a directory before what is in it; None for
        none.
        """
        container = self._registry.find(reference)
        refuse_going(container, "diff")
        upper, below = layers(self._snapshotter, container.id)
        try:
            found = await asyncio.to_thread(layerdiff.changes, upper, below, _is_mount_point)
        except OSError as error:
            self._registry.current(container.id)
            raise SystemFault(f"cannot read the files of container {container.short_id}: {error}") from error
        return [{"Path": change.path.decode(errors="replace"), "Kind": change.kind} for change in found] or None


def layers(snapshotter: Snapshotter, key: str) -> tuple[Path, list[Path]]:
    """The directories of the snapshot ``key`` and of all below it, top first. Raises ``NotFound``."""
    known = snapshotter.all()
    if key not in known:
        raise NotFound(f"No such container: {key}")
    below: list[Path] = []
    parent = known[key].parent
    while parent is not None:
        below.append(snapshotter.upper(parent))
        parent = known[parent].parent
    return snapshotter.upper(key), below


def refuse_going(container: Container, verb: str) -> None:
    """``Conflict``, in Docker's words, for a container that is being removed."""
    if container.state.status == DEAD:
        raise Conflict(f"You cannot {verb} container {container.id} which is Dead")
    if container.state.status == REMOVING:
        raise Conflict(f"You cannot {verb} container {container.id} which is being removed")


def _is_mount_point(path: str, status: os.stat_result) -> bool:
    if path in _FILES:
        return stat.S_ISREG(status.st_mode) and not status.st_size
    return path in _DIRECTORIES and stat.S_ISDIR(status.st_mode)
