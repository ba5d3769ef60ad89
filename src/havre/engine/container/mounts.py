"""What a container's mounts are to be: binds, volumes, tmpfs and the image's volumes, decided at create.

``plan`` reads the three ways to ask for a mount (``Binds``, ``Mounts``, ``Tmpfs``) and the image's ``Volumes``; the
result is stored in the record, parents before children, and given to the OCI configuration by ``to_oci`` at each start.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from havre.engine.container.record import MountRecord
from havre.errors import InvalidParameter, SystemFault, Unsupported
from havre.runtime.spec import bind, tmpfs
from havre.wire.containers import BindOptions, ContainerConfig, HostConfig, Mount, MountPoint, TmpfsOptions

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# Words Docker reads in the third part of ``-v``; the labels of SELinux and the consistency of macOS mean nothing here.
_BIND_WORDS = {"rw", "ro", "z", "Z", "nocopy", "consistent", "cached", "delegated", "default", *_PROPAGATIONS}
_VOLUME_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+$")


@dataclass(frozen=True, slots=True)
class WantedVolume:
    """A volume to be found or made: ``name`` is None for an anonymous one, which belongs to ``container``."""

    name: str | None
    driver: str
    labels: dict[str, str]
    container: str = ""


class VolumeSource(Protocol):
    """Where volumes come from: the volume room's service."""

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, Path]:
        """Find or make the volume: its name, its driver and the directory it is at."""

    async def discard_made_for(self, container_id: str) -> None:
        """Remove the anonymous volumes that were made for a container that could not be."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One mount as asked, before volumes are made and paths are checked."""

    kind: str
    target: str
    source: str = ""
    readonly: bool = False
    mode: str = ""
    options: tuple[str, ...] = ()
    propagation: str = ""
    copy_up: bool = False
    make_source: bool = False
    driver: str = "local"
    labels: tuple[tuple[str, str], ...] = ()
    # Docker lists a tmpfs in inspect only when it was asked for by --mount.
    hidden: bool = False


async def plan(
    config: ContainerConfig, host: HostConfig, volumes: VolumeSource, container_id: str = ""
) -> tuple[MountRecord, ...]:
    """Decide all mounts and make the volumes that are missing. ``InvalidParameter`` with Docker's texts."""
    wanted: dict[str, _Wanted] = {}
    for one in [*map(_from_bind, host.binds or ()), *map(_from_mount, host.mounts or ())]:
        _add(wanted, one)
    for target, options in (host.tmpfs or {}).items():
        _add(wanted, _Wanted("tmpfs", clean_target(target), options=_tmpfs_words(options), hidden=True))
    for target in config.volumes or {}:
        path = clean_target(target)
        if path not in wanted:
            wanted[path] = _Wanted("volume", path, copy_up=True)
    ordered = sorted(wanted.values(), key=lambda one: (len(PurePosixPath(one.target).parts), one.target))
    return tuple([await _decide(one, volumes, container_id) for one in ordered])


def to_oci(mounts: Sequence[MountRecord]) -> list[dict[str, Any]]:
    """The mounts as OCI mounts; sources of volumes and binds must exist by now."""
    made = []
    for mount in mounts:
        point = mount.point
        if point.type == "tmpfs":
            made.append(tmpfs(point.destination, *mount.options))
        else:
            made.append(bind(point.source, point.destination, *mount.options))
    return made


def clean_target(target: str) -> str:
    """A mount target as an absolute, normal path that is not the root."""
    if not target.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{target}' mount path must be absolute")
    clean = os.path.normpath("/" + target.lstrip("/"))
    if clean == "/":
        raise InvalidParameter("invalid specification: destination can't be '/'")
    return clean


def _add(wanted: dict[str, _Wanted], one: _Wanted) -> None:
    if one.target in wanted:
        raise InvalidParameter(f"Duplicate mount point: {one.target}")
    wanted[one.target] = one


def _from_bind(text: str) -> _Wanted:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts[:2]):
        if len(parts) == 1 and parts[0].startswith("/"):
            return _Wanted("volume", clean_target(parts[0]), copy_up=True)
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    source, target = parts[0], clean_target(parts[1])
    mode = parts[2] if len(parts) == 3 else ""
    words = [word for word in mode.split(",") if word]
    propagations = [word for word in words if word in _PROPAGATIONS]
    if set(words) - _BIND_WORDS or len(propagations) > 1 or {"rw", "ro"} <= set(words):
        raise InvalidParameter(f"invalid mode: {mode}")
    readonly = "ro" in words
    if source.startswith("/"):
        if "nocopy" in words:
            raise InvalidParameter(f"invalid mode: {mode}")
        return _Wanted(
            "bind",
            target,
            os.path.normpath(source),
            readonly,
            mode,
            ("rro" if readonly else "rw",),
            propagations[0] if propagations else "rprivate",
            make_source=True,
        )
    if propagations:
        raise InvalidParameter(f"invalid mode: {mode}")
    _check_volume_name(source)
    options = ("rro" if readonly else "rw",)
    return _Wanted("volume", target, source, readonly, mode or "z", options, copy_up="nocopy" not in words)


def _from_mount(mount: Mount) -> _Wanted:
    if not mount.target:
        raise InvalidParameter(f'invalid mount config for type "{mount.type}": field Target must not be empty')
    target = clean_target(mount.target)
    if mount.type == "bind":
        return _bind_mount(mount, target)
    if mount.type == "tmpfs":
        if mount.source:
            raise InvalidParameter('invalid mount config for type "tmpfs": field Source must not be specified')
        words = _tmpfs_option_words(mount.tmpfs_options or TmpfsOptions())
        return _Wanted("tmpfs", target, readonly=mount.read_only, options=(*words, *(["ro"] * mount.read_only)))
    if mount.type == "volume":
        return _volume_mount(mount, target)
    if mount.type in ("image", "cluster"):
        raise Unsupported(f"havre does not implement mounts of type {mount.type} yet")
    raise InvalidParameter(f'invalid mount config for type "{mount.type}": mount type unknown')


def _bind_mount(mount: Mount, target: str) -> _Wanted:
    options = mount.bind_options or BindOptions()
    source = mount.source
    if not source:
        raise InvalidParameter('invalid mount config for type "bind": field Source must not be empty')
    if not source.startswith("/"):
        raise InvalidParameter(
            f"invalid mount config for type \"bind\": invalid mount path: '{source}' mount path must be absolute"
        )
    if not options.create_mountpoint and not os.path.exists(source):
        raise InvalidParameter(f'invalid mount config for type "bind": bind source path does not exist: {source}')
    if options.propagation and options.propagation not in _PROPAGATIONS:
        raise InvalidParameter(f'invalid mount config for type "bind": invalid propagation mode: {options.propagation}')
    words = []
    if options.non_recursive:
        words.append("bind")
    if mount.read_only:
        words.append("ro" if options.non_recursive or options.read_only_non_recursive else "rro")
    propagation = options.propagation or "rprivate"
    return _Wanted(
        "bind", target, os.path.normpath(source), mount.read_only, "", tuple(words), propagation,
        make_source=options.create_mountpoint,
    )  # fmt: skip


def _volume_mount(mount: Mount, target: str) -> _Wanted:
    options = mount.volume_options
    driver, labels, copy_up = "local", dict[str, str](), True
    if options is not None:
        if options.subpath:
            raise Unsupported("havre does not implement VolumeOptions.Subpath yet")
        if options.driver_config is not None:
            driver = options.driver_config.name or "local"
            if options.driver_config.options:
                raise Unsupported("havre does not implement VolumeOptions.DriverConfig.Options at create yet")
        labels, copy_up = options.labels or {}, not options.no_copy
    if mount.source:
        _check_volume_name(mount.source)
    return _Wanted(
        "volume", target, mount.source, mount.read_only, "z", ("rro" if mount.read_only else "rw",), "", copy_up,
        driver=driver, labels=tuple(labels.items()),
    )  # fmt: skip


def _check_volume_name(name: str) -> None:
    if not _VOLUME_NAME.match(name):
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def _tmpfs_words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _tmpfs_option_words(options: TmpfsOptions) -> tuple[str, ...]:
    words = []
    if options.size_bytes < 0 or options.mode < 0:
        raise InvalidParameter('invalid mount config for type "tmpfs": size and mode must not be negative')
    if options.size_bytes:
        words.append(f"size={options.size_bytes}")
    if options.mode:
        words.append(f"mode={options.mode:o}")
    words += ["=".join(option) for option in options.options or ()]
    return tuple(words)


def _make_source(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SystemFault(f"error while creating mount source path '{path}': mkdir {path}: {reason}") from None


async def _decide(one: _Wanted, volumes: VolumeSource, container_id: str) -> MountRecord:
    if one.kind == "tmpfs":
        point = MountPoint(type="tmpfs", destination=one.target, rw=not one.readonly)
        return MountRecord(point, one.options, hidden=one.hidden)
    if one.kind == "bind":
        if one.make_source and not os.path.lexists(one.source):
            _make_source(one.source)
        point = MountPoint(
            type="bind",
            source=one.source,
            destination=one.target,
            mode=one.mode,
            rw=not one.readonly,
            propagation=one.propagation,
        )
        return MountRecord(point, (*one.options, one.propagation))
    wanted = WantedVolume(one.source or None, one.driver, dict(one.labels), container_id)
    name, driver, path = await volumes.for_container(wanted)
    point = MountPoint(
        type="volume",
        name=name,
        source=str(path),
        destination=one.target,
        driver=driver,
        mode=one.mode,
        rw=not one.readonly,
    )
    return MountRecord(point, (*one.options, "rprivate"), one.copy_up, not one.source)
