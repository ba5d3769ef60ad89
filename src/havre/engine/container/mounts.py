"""What a container's mounts are to be: binds, volumes, tmpfs, images and the image's volumes, decided at create.

``plan`` reads the ways to ask for a mount (``mountwords``), makes volumes and finds images; the result is stored in the
record, parents before children, and given to the OCI configuration by ``to_oci`` at each start, with what
``hostmounts`` has prepared for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import msgspec

from havre.engine.container import mountwords
from havre.engine.container.mountwords import Wanted
from havre.engine.container.record import Container, MountRecord
from havre.errors import InvalidParameter, NotFound
from havre.runtime.spec import bind, tmpfs
from havre.wire.containers import ContainerConfig, HostConfig, MountPoint


@dataclass(frozen=True, slots=True)
class WantedVolume:
    """A volume to be found or made for ``container``: ``name`` is None for an anonymous one, which belongs to it."""

    name: str | None
    driver: str
    labels: dict[str, str]
    container: str = ""
    options: dict[str, str] = field(default_factory=dict)


class VolumeSource(Protocol):
    """Where volumes come from: the volume room's service."""

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, str]:
        """Find or make the volume: its name, its driver and the directory it is at, as far as that is known.

        It cannot be removed before ``settle``.
        """

    async def discard_made_for(self, container_id: str) -> None:
        """Remove the anonymous volumes that were made for a container that could not be."""

    def settle(self, container_id: str) -> None:
        """The container's record tells from now on what it uses, or it was not made."""


class Surroundings(Protocol):
    """What else a mount may come from."""

    @property
    def daemon_root(self) -> Path:
        """Where the daemon has its files, and mounts."""

    def container(self, reference: str) -> Container:
        """A container by name or id; ``NotFound``."""

    def image(self, reference: str) -> str:
        """The id of an image by name or id; ``NotFound``."""

    def place(self, container_id: str, index: int) -> Path:
        """Where the image of mount ``index`` will be shown on the host."""


async def plan(
    config: ContainerConfig, host: HostConfig, volumes: VolumeSource, around: Surroundings, container_id: str = ""
) -> tuple[MountRecord, ...]:
    """Decide all mounts and make the volumes that are missing. ``InvalidParameter`` with Docker's texts."""
    wanted: dict[str, Wanted] = {}
    for text in host.binds or ():
        _add(wanted, mountwords.from_bind(text, host.volume_driver))
    for mount in host.mounts or ():
        _add(wanted, mountwords.from_mount(mount))
    for target, options in (host.tmpfs or {}).items():
        _add(wanted, mountwords.from_tmpfs(target, options))
    borrowed = {target: record for target, record in _borrowed(host, around).items() if target not in wanted}
    for target in config.volumes or {}:
        path = mountwords.clean_target(target)
        if path not in wanted and path not in borrowed:
            wanted[path] = Wanted("volume", path, options=("rw",), copy_up=True, driver=host.volume_driver)
    planned: list[MountRecord] = []
    for target in sorted({*wanted, *borrowed}, key=_depth):
        if target in borrowed:
            planned.append(await _take_over(borrowed[target], volumes, around, container_id, len(planned)))
        else:
            planned.append(await _decide(wanted[target], volumes, around, container_id, len(planned)))
    return tuple(planned)


def warnings(host: HostConfig) -> list[str]:
    """What a client is told about the mounts it asked for."""
    told = []
    mounts = host.mounts or ()
    if any(mount.type == "image" for mount in mounts):
        told.append("Image mount is an experimental feature")
    if host.volume_driver and any(
        mount.type == "volume" and not (mount.volume_options and mount.volume_options.driver_config) for mount in mounts
    ):
        told.append(
            "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. "
            "Use '--mount type=volume,volume-driver=...' instead"
        )
    return told


def to_oci(mounts: Sequence[MountRecord], sources: Mapping[int, Path]) -> list[dict[str, Any]]:
    """The mounts as OCI mounts. ``sources`` says where those that had to be prepared are; volumes and binds must
    exist by now.
    """
    made = []
    for index, mount in enumerate(mounts):
        point = mount.point
        if point.type == "tmpfs":
            made.append(tmpfs(point.destination, *mount.options))
        else:
            made.append(bind(str(sources.get(index, point.source)), point.destination, *mount.options))
    return made


def _depth(target: str) -> tuple[int, str]:
    return len(PurePosixPath(target).parts), target


def _add(wanted: dict[str, Wanted], one: Wanted) -> None:
    if one.target in wanted:
        raise InvalidParameter(f"Duplicate mount point: {one.target}")
    wanted[one.target] = one


def _borrowed(host: HostConfig, around: Surroundings) -> dict[str, MountRecord]:
    """The mounts of ``VolumesFrom``, by target; those of a later container win. A tmpfs is its container's alone."""
    borrowed: dict[str, MountRecord] = {}
    for text in host.volumes_from or ():
        name, readonly = mountwords.from_container(text)
        try:
            source = around.container(name)
        except NotFound as error:
            raise InvalidParameter(error.message) from None
        for mount in source.mounts:
            if mount.point.type != "tmpfs":
                borrowed[mount.point.destination] = _read_only(mount) if readonly else mount
    return borrowed


def _read_only(mount: MountRecord) -> MountRecord:
    words = tuple(mountwords.readonly_word() if word == "rw" else word for word in mount.options)
    return msgspec.structs.replace(mount, point=msgspec.structs.replace(mount.point, rw=False), options=words)


async def _take_over(
    mount: MountRecord, volumes: VolumeSource, around: Surroundings, container_id: str, index: int
) -> MountRecord:
    point = msgspec.structs.replace(mount.point, mode="")
    if point.type == "volume":
        await volumes.for_container(WantedVolume(point.name, point.driver, {}, container_id))
    if point.type == "image":
        point = msgspec.structs.replace(point, source=str(around.place(container_id, index)))
        return msgspec.structs.replace(mount, point=point, image=around.image(mount.image))
    return msgspec.structs.replace(mount, point=point, copy_up=False)


async def _decide(
    one: Wanted, volumes: VolumeSource, around: Surroundings, container_id: str, index: int
) -> MountRecord:
    point = MountPoint(type=one.kind, destination=one.target, mode=one.mode, rw=not one.readonly)
    if one.kind == "tmpfs":
        return MountRecord(point, one.options, hidden=one.hidden)
    if one.kind == "image":
        image = around.image(one.source)
        point = msgspec.structs.replace(
            point, name=one.source, source=str(around.place(container_id, index)), propagation=one.propagation
        )
        return MountRecord(point, (*one.options, one.propagation), image=image, subpath=one.subpath)
    if one.kind == "bind":
        propagation = mountwords.bind_propagation(one, around.daemon_root)
        point = msgspec.structs.replace(point, source=one.source, propagation=propagation)
        return MountRecord(point, (*one.options, propagation), make_source=one.make_source)
    wanted = WantedVolume(one.source or None, one.driver, one.labels, container_id, one.driver_options)
    name, driver, path = await volumes.for_container(wanted)
    mode = one.mode if driver == "local" or one.mode != "z" else ""
    point = msgspec.structs.replace(point, name=name, source=path, driver=driver, mode=mode)
    return MountRecord(point, (*one.options, "rprivate"), one.copy_up, not one.source, subpath=one.subpath)
