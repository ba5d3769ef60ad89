"""Snapshots: file systems in layers. The protocol is here; ``overlay`` is the implementation on Linux' overlayfs.

Layer unpacking and container creation come in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """Room taken on disk: ``size`` in bytes of content, ``inodes`` in number."""

    size: int
    inodes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One layer. ``parent`` is the key of the committed snapshot below it; ``usage`` is known once it is committed."""

    key: str
    parent: str | None
    committed: bool
    number: int
    usage: Usage | None = None


class Snapshotter(Protocol):
    """Keeps file systems as stacks of layers.

    The life of a snapshot: ``prepare`` makes an active one, empty on top of its parent. Its own layer is written
    through ``upper`` (an unpacked layer) or through the whole stack at a mount point (a container). An active snapshot
    is either ``commit``-ted, which makes it immutable and gives it a new key (the chain id), so that others may stand
    on it; or it is ``remove``-d. A container's snapshot stays active for all its life, and its key is the container's
    id.

    A parent cannot be removed while something stands on it, nor a snapshot while it is mounted: both raise
    ``Conflict``. A key in use raises ``Conflict``, an unknown one ``NotFound``. Every change is durable when the call
    returns, except the files written through ``upper``: their writer syncs them before it commits.
    """

    async def start(self) -> None:
        """Read the records, learn what is mounted, and clear away what a killed daemon left half made or removed."""

    async def close(self) -> None:
        """Finish what is under way in the background. Mounts stay."""

    async def prepare(self, key: str, parent: str | None) -> Snapshot:
        """Make an active snapshot on the committed snapshot ``parent`` (None: on nothing)."""

    async def commit(self, key: str, name: str, usage: Usage) -> Snapshot:
        """Make the active snapshot ``key`` immutable under the key ``name``."""

    async def mount(self, key: str, target: Path, readonly: bool = False, under: Path | None = None) -> None:
        """Show the whole stack at the existing directory ``target``; nothing happens when it is shown there already.

        ``under`` is a directory whose files are shown too, between the snapshot's own layer and its parents.

        A committed snapshot can only be mounted readonly.
        """

    async def unmount(self, target: Path) -> None:
        """Take the mount at ``target`` away at once; nothing happens when there is none.

        What was written in it goes to disk in the background, as at any other time.
        """

    async def remove(self, key: str) -> None:
        """Forget the snapshot at once and delete its files in the background, surely, even if the daemon is killed."""

    async def usage(self, key: str) -> Usage:
        """What the snapshot's own layer takes. An active one is measured now."""

    def upper(self, key: str) -> Path:
        """The directory of the snapshot's own layer, in the implementation's format."""

    def all(self) -> Mapping[str, Snapshot]:
        """All snapshots by key."""
