"""An image's configuration: the JSON whose digest is the image's id, read into a value.

Shape: OCI image-spec "Image Configuration" with Docker's additions (OnBuild, Healthcheck, Shell…). Files in the wild
leave out or null nearly everything, so every field has a default; unknown fields are left to the file, which is kept as
it came.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from havre.errors import InvalidParameter
from havre.image import digest as digests
from havre.image.manifest import Platform
from havre.wire.containers import HealthConfig

LARGEST = 16 << 20  # bytes of a configuration file


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of how the image came about. ``created`` is RFC 3339 text, "" when unknown."""

    created: str
    created_by: str
    author: str
    comment: str
    empty_layer: bool


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container of the image starts from. None for ``cmd``, ``entrypoint``, ``shell`` means: not set."""

    os: str
    architecture: str
    variant: str
    os_version: str
    created: str | None
    author: str
    docker_version: str
    comment: str
    env: tuple[str, ...]
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    args_escaped: bool
    working_dir: str
    user: str
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...]
    labels: dict[str, str] | None
    stop_signal: str
    stop_timeout: int | None
    healthcheck: HealthConfig | None
    shell: tuple[str, ...] | None
    on_build: tuple[str, ...]
    diff_ids: tuple[str, ...]
    history: tuple[HistoryEntry, ...]
    # The container it was committed from, and that one's configuration as its JSON was.
    container: str
    container_config: dict[str, Any] | None

    @property
    def platform(self) -> Platform:
        return Platform(os=self.os, architecture=self.architecture, variant=self.variant, os_version=self.os_version)


def parse(data: bytes) -> ImageConfig:
    """Read a configuration file. Raises ``InvalidParameter`` when it is not one."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidParameter(f"invalid image configuration: {error}") from None
    if file.rootfs is None or file.rootfs.type != "layers":
        raise InvalidParameter("invalid image configuration: no root file system of type layers")
    run = file.config or _Run()
    return ImageConfig(
        os=file.os or "linux",
        architecture=file.architecture,
        variant=file.variant or "",
        os_version=file.os_version or "",
        created=file.created,
        author=file.author or "",
        docker_version=file.docker_version or "",
        comment=file.comment or "",
        env=tuple(run.env or ()),
        cmd=_words(run.cmd),
        entrypoint=_words(run.entrypoint),
        args_escaped=bool(run.args_escaped),
        working_dir=run.working_dir or "",
        user=run.user or "",
        exposed_ports=tuple(run.exposed_ports or ()),
        volumes=tuple(run.volumes or ()),
        labels=run.labels,
        stop_signal=run.stop_signal or "",
        stop_timeout=run.stop_timeout,
        healthcheck=run.healthcheck,
        shell=_words(run.shell),
        on_build=tuple(run.on_build or ()),
        diff_ids=tuple(digests.checked(diff_id) for diff_id in file.rootfs.diff_ids or ()),
        history=tuple(
            HistoryEntry(
                entry.created or "",
                entry.created_by or "",
                entry.author or "",
                entry.comment or "",
                bool(entry.empty_layer),
            )
            for entry in file.history or ()
        ),
        container=file.container or "",
        container_config=file.container_config,
    )


def _words(value: list[str] | str | None) -> tuple[str, ...] | None:
    # Docker 1.x wrote a shell command as one string.
    if value is None:
        return None
    return ("/bin/sh", "-c", value) if isinstance(value, str) else tuple(value)


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class _Run(msgspec.Struct, rename=_pascal):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | str | None = None
    cmd: list[str] | str | None = None
    args_escaped: bool | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    stop_timeout: int | None = None
    healthcheck: HealthConfig | None = None
    shell: list[str] | str | None = None
    on_build: list[str] | None = None


class _RootFS(msgspec.Struct):
    type: str = ""
    diff_ids: list[str] | None = None


class _History(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _File(msgspec.Struct):
    architecture: str = ""
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    created: str | None = None
    author: str | None = None
    docker_version: str | None = None
    comment: str | None = None
    config: _Run | None = None
    container: str | None = None
    container_config: dict[str, Any] | None = None
    rootfs: _RootFS | None = None
    history: list[_History] | None = None
