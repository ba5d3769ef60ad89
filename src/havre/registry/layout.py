"""The disk tree of one registry, drawn once.

``root``::

    lock                  held by the running registry
    registry.db           repositories, manifests, tags, uploads (SQLite)
    control               the socket for commands (registry that runs)
    reserve               takes up room, given up on a full disk
    spool/                blobs on their way in from upstreams, emptied at start
    blobs/sha256/<hex>    content by digest (file system storage)
    uploads/<id>          blobs on their way in, resumable (with S3 only their ends)
"""

from dataclasses import dataclass
from pathlib import Path

from havre.store.files import sync_directory

ROOT = Path("/var/lib/havre-registry")
"""Where a registry is kept that is told nothing else."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The root and every path below it."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def database(self) -> Path:
        return self.root / "registry.db"

    @property
    def control(self) -> Path:
        return self.root / "control"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    def prepare(self) -> None:
        """Create the root, private to whoever runs the registry."""
        if not self.root.exists():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(self.root.parent)
