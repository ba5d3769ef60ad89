"""What is mounted on the host for a container before the runtime makes it: images, parts of volumes, a shared /dev/shm.
And, by ``VolumeMounting``, volumes that are mounted only while they are in use.

Everything else is below one directory a container, so that whoever ends the container, or comes after a daemon that was
killed, finds it all. Nothing is ever deleted there but empty mount points.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from havre.engine.container.mountwords import related
from havre.engine.container.record import Container, MountRecord
from havre.errors import InvalidParameter, NotFound, SystemFault
from havre.image.snapshots import Snapshotter
from havre.kernel import mounts, openat2
from havre.store.layout import Layout
from havre.volume.copyup import copy_up

_SHM = "shm"
_SHM_FLAGS = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC


def snapshot_key(container_id: str, index: int) -> str:
    """The snapshot that keeps the layers of an image alive while a container may mount it."""
    return f"{container_id}-image-{index}"


def snapshot_owner(key: str) -> str | None:
    """The container a snapshot belongs to; None for a layer's."""
    owner, dash, _ = key.partition("-image-")
    return owner if len(owner) == 64 and ":" not in owner and (dash or owner == key) else None


def snapshots_of(container: Container) -> list[str]:
    """The snapshots of the images it mounts."""
    return [snapshot_key(container.id, index) for index, mount in enumerate(container.mounts) if mount.image]


def images_mounted(container: Container) -> list[str]:
    """The ids of the images it mounts."""
    return [mount.image for mount in container.mounts if mount.image]


class VolumeMounting(Protocol):
    """Mounts volumes, each for one mount of one container."""

    async def mount(self, container: str, index: int, name: str, shown: str = "") -> Path | None:
        """Mount it; where it is then, None if it needs no mounting. May be called again. Errors name ``shown``."""

    def path(self, container: str, index: int) -> Path | None:
        """Where ``mount`` has put it; None if it was not mounted."""

    def marker(self, container: str, index: int) -> Path | None:
        """The file that tells of a cut copy into it, where the volume has no place for that."""

    async def release(self, container: str) -> None:
        """Unmount all that is mounted for the container."""


@dataclass(frozen=True, slots=True)
class HostMounts:
    """Makes them at start, takes them away at the end."""

    snapshotter: Snapshotter
    layout: Layout
    volumes: VolumeMounting

    def place(self, container_id: str, index: int) -> Path:
        """Where the image of mount ``index`` is shown."""
        return self.layout.mounts(container_id) / f"image-{index}"

    def shm(self, container_id: str) -> Path:
        """Where the /dev/shm that a container shares is mounted."""
        return self.layout.mounts(container_id) / _SHM

    async def prepare(self, container: Container) -> dict[int, Path]:
        """Mount what the container needs; returns the sources of those of its mounts that have one made here.

        May be called again. ``NotFound`` or ``InvalidParameter`` for a subpath that is not there or leads out.
        """
        sources: dict[int, Path] = {}
        if container.host.ipc_mode == "shareable":
            self._make_shm(container)
        for index, mount in enumerate(container.mounts):
            if mount.point.type == "bind":
                _find_source(mount)
            if mount.image:
                sources[index] = await self._show_image(container.id, index)
            if mount.point.type == "volume":
                mounted = await self.volumes.mount(container.id, index, mount.point.name, mount.point.source)
                if mounted is not None:
                    sources[index] = mounted
            if mount.subpath:
                base = sources.get(index, Path(mount.point.source))
                sources[index] = self._show_part(container.id, index, base, mount.subpath)
        _check_propagation(container.mounts, self.layout.data_root)
        return sources

    def sources(self, container: Container) -> dict[int, Path]:
        """Where ``prepare`` has put them."""
        found: dict[int, Path] = {}
        for index, mount in enumerate(container.mounts):
            if mount.subpath:
                found[index] = self._part(container.id, index)
            elif mount.image:
                found[index] = self.place(container.id, index)
            elif (mounted := self.volumes.path(container.id, index)) is not None:
                found[index] = mounted
        return found

    async def fill(self, container: Container, rootfs: Path, sources: Mapping[int, Path]) -> None:
        """Fill the container's empty volumes with what the image, mounted at ``rootfs``, has there.

        ``sources`` are those of ``prepare``.
        """
        for index, mount in enumerate(container.mounts):
            if mount.copy_up:
                volume = self.volumes.path(container.id, index) or Path(mount.point.source)
                part = sources[index] if mount.subpath else None
                marker = self.volumes.marker(container.id, index)
                await asyncio.to_thread(copy_up, rootfs, mount.point.destination, volume, part, marker)

    async def release(self, container_id: str) -> None:
        """Take all of it away; nothing happens when there is nothing."""
        directory = self.layout.mounts(container_id)
        if directory.exists():
            # Parts come off before the images they are parts of.
            for name in sorted(os.listdir(directory), reverse=True):
                await self._take_away(directory / name)
            directory.rmdir()
        await self.volumes.release(container_id)

    async def _take_away(self, path: Path) -> None:
        if path.name.startswith("image-"):
            await self.snapshotter.unmount(path)
        _unmount(path)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            path.rmdir()
        else:
            path.unlink()

    def _make_shm(self, container: Container) -> None:
        path = self.shm(container.id)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _unmount(path)
        mounts.mount("shm", path, "tmpfs", _SHM_FLAGS, f"mode=1777,size={container.host.shm_size}")

    async def _show_image(self, container_id: str, index: int) -> Path:
        path = self.place(container_id, index)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self.snapshotter.mount(snapshot_key(container_id, index), path)
        return path

    def _part(self, container_id: str, index: int) -> Path:
        return self.layout.mounts(container_id) / f"part-{index}"

    def _show_part(self, container_id: str, index: int, base: Path, subpath: str) -> Path:
        path = self._part(container_id, index)
        fd = _open_part(base, subpath)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _unmount(path)
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                _remake(path, directory=True)
            else:
                _remake(path, directory=False)
            # By descriptor: whatever the path means by now, this is what was found below the volume.
            mounts.bind(f"/proc/self/fd/{fd}", path, propagation="rprivate")
        finally:
            os.close(fd)
        return path


def _find_source(mount: MountRecord) -> None:
    source = mount.point.source
    if os.path.exists(source):
        return
    if not mount.make_source:
        raise InvalidParameter(f'invalid mount config for type "bind": bind source path does not exist: {source}')
    if not os.path.lexists(source):
        _make_source(source)


def _make_source(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SystemFault(f"error while creating mount source path '{path}': mkdir {path}: {reason}") from None


def _open_part(base: Path, subpath: str) -> int:
    """What ``subpath`` means below ``base``: links may be followed that stay there, none that leads out."""
    where = base / subpath
    wanted = os.path.normpath(subpath)
    try:
        root = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return openat2.openat2(root, wanted, os.O_PATH, 0, openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_MAGICLINKS)
        finally:
            os.close(root)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise InvalidParameter(
                f"path concatenation escapes the base directory, base: {base}, subpath: {subpath}"
            ) from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            reason = os.strerror(error.errno).lower()
            raise NotFound(f"cannot access path {where}: lstat {where}: {reason}") from None
        if error.errno == errno.ELOOP:
            raise InvalidParameter(
                f'error while resolving symlinks in combined path "{where}": too many links'
            ) from None
        raise SystemFault(f"cannot access path {where}: {error.strerror}") from error


def _remake(path: Path, directory: bool) -> None:
    """An empty mount point of the right kind; what a start that failed left of the other kind goes."""
    with suppress(FileNotFoundError):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    if directory:
        path.mkdir(mode=0o700)
    else:
        path.touch(mode=0o600)


def _unmount(path: Path) -> None:
    """Take away whatever is mounted at ``path``."""
    try:
        while True:
            mounts.unmount(path, detach=True)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def _check_propagation(records: Iterable[MountRecord], daemon_root: Path) -> None:
    """Whether what is to pass mounts on, or get them passed on, is on a mount that does."""
    for mount in records:
        point = mount.point
        shared, slave = point.propagation in ("shared", "rshared"), point.propagation in ("slave", "rslave")
        # A slave that nobody asked for may be a private one.
        if not shared and not (slave and not related(point.source, daemon_root)):
            continue
        found = mounts.holding(os.path.realpath(point.source))
        fields = {field.partition(":")[0] for field in found.propagation}
        if "shared" not in fields and not (slave and "master" in fields):
            kind = "a shared" if shared else "a shared or slave"
            raise InvalidParameter(f"path {point.source} is mounted on {found.target} but it is not {kind} mount")
