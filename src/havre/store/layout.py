"""The disk tree of one daemon, drawn once. Nothing else in havre joins paths below the two roots.

``data_root`` (default ``/var/lib/havre``) survives a reboot::

    lock                      held by the running daemon
    log.lock                  held by its log writer
    havre.db                  records (SQLite)
    reserve                   takes up room, given up on a full disk
    blobs/sha256/<hex>        content by digest
    ingest/                   blobs on their way in, resumable
    snapshots/<n>/            one overlay layer each: fs/ and, for containers, work/
    snapshots/init/fs         a layer that every container has between its image's and its own
    containers/<id>/          hosts, hostname, resolv.conf, logs, rootfs (mount point)
    builds/<n>/               what builds under way work in (mounts, contexts)
    build-copies/<id>/        copies of the directories of BuildKit's clients
    build-cache/<id>/         what RUN --mount=type=cache shows
    build-downloads/<url>/    files that ADD got from URLs
    build-contexts/<id>/      contexts that clients sent, kept for their next builds
    volumes/<name>/_data      named and anonymous volumes of the local driver
    tmp/                      emptied at start

``exec_root`` (default ``/run/havre``) does not::

    exec.lock                 held by the running daemon
    havre.sock, havre.pid
    containers/<id>/          the OCI bundle: config.json, conmon's pid files, attach socket, exit file
    netns/<id>                network namespaces, bind-mounted
    mounts/<id>/              what is mounted for a container before its runtime starts: images, parts of volumes, shm
    volumes/<use>             which container has which volume mounted: those that are mounted while in use
    runtime/<name>/           the runtimes' own state
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The two roots and every path below them that more than one room needs."""

    data_root: Path
    exec_root: Path

    @property
    def lock(self) -> Path:
        return self.data_root / "lock"

    @property
    def log_lock(self) -> Path:
        return self.data_root / "log.lock"

    @property
    def exec_lock(self) -> Path:
        return self.exec_root / "exec.lock"

    @property
    def database(self) -> Path:
        return self.data_root / "havre.db"

    @property
    def reserve(self) -> Path:
        return self.data_root / "reserve"

    @property
    def blobs(self) -> Path:
        return self.data_root / "blobs"

    @property
    def ingest(self) -> Path:
        return self.data_root / "ingest"

    @property
    def snapshots(self) -> Path:
        return self.data_root / "snapshots"

    @property
    def init_layer(self) -> Path:
        # Among the others and with a name as short: 127 layers just fit into the options of one mount.
        return self.snapshots / "init" / "fs"

    @property
    def volumes(self) -> Path:
        return self.data_root / "volumes"

    @property
    def tmp(self) -> Path:
        return self.data_root / "tmp"

    @property
    def containers(self) -> Path:
        return self.data_root / "containers"

    def container(self, container_id: str) -> Path:
        """Files of a container that outlive a reboot."""
        return self.containers / container_id

    def rootfs(self, container_id: str) -> Path:
        """Where a container's root file system is mounted while it runs (or is copied from)."""
        return self.container(container_id) / "rootfs"

    @property
    def bundles(self) -> Path:
        return self.exec_root / "containers"

    def bundle(self, container_id: str) -> Path:
        """The OCI bundle and the run-time files of a container."""
        return self.bundles / container_id

    @property
    def netns(self) -> Path:
        return self.exec_root / "netns"

    @property
    def all_mounts(self) -> Path:
        return self.exec_root / "mounts"

    def mounts(self, container_id: str) -> Path:
        """Where things are mounted that a container's own mounts are made of."""
        return self.all_mounts / container_id

    @property
    def builds(self) -> Path:
        """Where builds have file systems mounted, and what they fetched; on disk, for contexts are large."""
        return self.data_root / "builds"

    @property
    def build_copies(self) -> Path:
        return self.data_root / "build-copies"

    @property
    def cache_mounts(self) -> Path:
        return self.data_root / "build-cache"

    @property
    def build_downloads(self) -> Path:
        return self.data_root / "build-downloads"

    @property
    def build_contexts(self) -> Path:
        return self.data_root / "build-contexts"

    @property
    def volume_uses(self) -> Path:
        return self.exec_root / "volumes"

    @property
    def runtimes(self) -> Path:
        """The state directories handed to OCI runtimes as ``--root``, by their names."""
        return self.exec_root / "runtime"

    def prepare(self) -> None:
        """Create the directories, private to root; the rootfs path must be traversable for userns-less
        containers only.
        """
        for directory in (self.data_root, self.exec_root):
            directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        for directory in (
            self.blobs,
            self.ingest,
            self.snapshots,
            self.volumes,
            self.tmp,
            self.containers,
            self.bundles,
            self.netns,
            self.all_mounts,
            self.volume_uses,
        ):
            directory.mkdir(parents=True, exist_ok=True, mode=0o711)
