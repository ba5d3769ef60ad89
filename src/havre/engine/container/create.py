"""Create: from a request and an image to a record and a snapshot, committed before the client hears of it."""

import shutil
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from havre.engine.container import endpoints, links, merge, modes, mounts, validate, workdir
from havre.engine.container.hostmounts import HostMounts, snapshot_key
from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.engine.container.rules import HostRules
from havre.errors import NotFound
from havre.image.manifest import Platform, parse_platform
from havre.image.snapshots import Snapshotter
from havre.image.store import Image
from havre.lib import ids, names
from havre.lib.relay import settled
from havre.logs.drivers import ALL as LOG_DRIVERS
from havre.runtime.runtimes.probe import Runtimes
from havre.runtime.spec import READONLY_PATHS
from havre.store.layout import Layout
from havre.wire.containers import ContainerConfig, HostConfig, LogConfig, NetworkingConfig, RestartPolicy


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the daemon's configuration gives containers that do not say otherwise."""

    log_driver: str
    log_options: dict[str, str]
    # A cgroup namespace of its own on cgroup v2, the host's on v1, where older programs would not find their group.
    cgroupns: str = "private"
    init: bool = False
    ipc: str = "private"
    cgroup_version: int = 2


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to create."""

    id: str
    warnings: tuple[str, ...]


class ImageSource(Protocol):
    """Where images come from: the image room's store."""

    def resolve(self, ref: str, platform: Platform | None = None) -> Image:
        """The image a reference means; ``NotFound`` with Docker's text."""


class EventSink(Protocol):
    """Who is told what happens."""

    def publish(self, type: str, action: str, actor_id: str, attributes: dict[str, str] | None = None) -> None: ...


class Creator:
    """``POST /containers/create``."""

    def __init__(
        self,
        registry: Registry,
        images: ImageSource,
        snapshotter: Snapshotter,
        volumes: mounts.VolumeSource,
        runtimes: Runtimes,
        layout: Layout,
        host_mounts: HostMounts,
        events: EventSink,
        rules: HostRules,
        network: endpoints.Lookup,
        defaults: Defaults,
    ) -> None:
        self._registry = registry
        self._images = images
        self._snapshotter = snapshotter
        self._volumes = volumes
        self._runtimes = runtimes
        self._layout = layout
        self._events = events
        self._rules = rules
        self._network = network
        self._defaults = defaults
        self._around = _Around(registry, images, host_mounts)

    async def create(
        self,
        name: str | None,
        config: ContainerConfig,
        host: HostConfig,
        networking: NetworkingConfig,
        platform: str | None = None,
    ) -> Created:
        """Make a container that can be started. Every error leaves nothing behind."""
        chosen = validate.name(name) if name else names.random_name(self._registry.named)
        warnings = [*validate.create(config, host), *mounts.warnings(host)]
        host, discarded = self._rules.settle(host)
        warnings += discarded
        image = self._images.resolve(config.image, parse_platform(platform) if platform else None)
        container_id = ids.new_id()
        host = modes.resolve(host, self._registry)
        linked = links.resolve(host.links or (), self._registry)
        config = self._complete_config(merge.merge(config, image.config), host, container_id)
        host = self._complete_host(config, host)
        runtime = self._runtimes.choose(host.runtime)
        host = msgspec.structs.replace(host, runtime=runtime.name)
        path, args = merge.command_line(config)
        container = Container(
            id=container_id,
            name=chosen,
            created=time.time_ns(),
            image=image.id,
            config=config,
            host=host,
            path=path,
            args=args,
            runtime=runtime.name,
            group=self._rules.driver.group(host.cgroup_parent, container_id),
            endpoints=endpoints.of(config, host, networking, self._network),
            links=linked,
            platform=image.config.os,
        )
        container = await self._commit(container, image)
        self._events.publish("container", "create", container_id, container.event_attributes())
        return Created(container_id, tuple(warnings))

    async def _commit(self, container: Container, image: Image) -> Container:
        """Reserve the name, make volumes, snapshot and directory, write the record; an error undoes all of it."""
        self._registry.reserve(container.name, container.id)
        async with AsyncExitStack() as undo:
            undo.callback(self._registry.release, container.name)
            undo.push_async_callback(self._volumes.discard_made_for, container.id)
            planned = await mounts.plan(container.config, container.host, self._volumes, self._around, container.id)
            await self._snapshotter.prepare(container.id, image.chain_id)
            undo.push_async_callback(self._snapshotter.remove, container.id)
            for index, mount in enumerate(planned):
                if mount.image:
                    key = snapshot_key(container.id, index)
                    await self._snapshotter.prepare(key, self._images.resolve(mount.image).chain_id)
                    undo.push_async_callback(self._snapshotter.remove, key)
            directory = self._layout.container(container.id)
            (directory / "rootfs").mkdir(parents=True, mode=0o711)
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            if container.config.working_dir not in ("", "/"):
                await self._make_workdir(container)
            container = await self._registry.save(container.replace(mounts=planned))
            undo.pop_all()
        self._volumes.settle(container.id)
        return container

    async def _make_workdir(self, container: Container) -> None:
        rootfs = self._layout.rootfs(container.id)
        await self._snapshotter.mount(container.id, rootfs, under=self._layout.init_layer)
        try:
            await settled(lambda: workdir.make(rootfs, container.config.working_dir), lambda _: None)
        finally:
            await self._snapshotter.unmount(rootfs)

    def _complete_host(self, config: ContainerConfig, host: HostConfig) -> HostConfig:
        """Docker's defaults, as inspect shows them."""
        log = host.log_config
        if log.type in ("", self._defaults.log_driver):
            log = LogConfig(type=self._defaults.log_driver, config={**self._defaults.log_options, **(log.config or {})})
            LOG_DRIVERS[log.type].check(log.config or {})
        readonly = host.readonly_paths
        if readonly is None and not host.privileged:
            readonly = list(READONLY_PATHS)
        return msgspec.structs.replace(
            host,
            log_config=msgspec.structs.replace(log, config=log.config or {}),
            network_mode=_network_mode(config, host),
            restart_policy=RestartPolicy(
                name=host.restart_policy.name or "no", maximum_retry_count=host.restart_policy.maximum_retry_count
            ),
            ipc_mode=host.ipc_mode or self._defaults.ipc,
            cgroupns_mode=host.cgroupns_mode or self._cgroupns(host),
            readonly_paths=readonly,
            init=host.init if host.init is not None else (True if self._defaults.init else None),
        )

    def _cgroupns(self, host: HostConfig) -> str:
        # Programs that may do everything look for their group where the host has it, except where v2 hides it anyway.
        return "host" if host.privileged and self._defaults.cgroup_version == 1 else self._defaults.cgroupns

    def _complete_config(self, config: ContainerConfig, host: HostConfig, container_id: str) -> ContainerConfig:
        hostname, domainname = config.hostname, config.domainname
        if host.network_mode == "host":
            hostname = hostname or socket.gethostname()
        elif (target_id := modes.joined(host.network_mode)) is not None:
            hostname, domainname = self._names_of(target_id)
        exposed = dict(config.exposed_ports or {})
        for port in host.port_bindings or {}:
            exposed.setdefault(port, {})
        return msgspec.structs.replace(
            config,
            hostname=hostname or container_id[:12],
            domainname=domainname,
            exposed_ports=exposed or None,
            labels=config.labels or {},
        )

    def _names_of(self, container_id: str) -> tuple[str, str]:
        try:
            target = self._registry.find(container_id).config
        except NotFound:
            return "", ""
        return target.hostname, target.domainname


@dataclass(frozen=True, slots=True)
class _Around:
    """``mounts.Surroundings``."""

    registry: Registry
    images: ImageSource
    host_mounts: HostMounts

    @property
    def daemon_root(self) -> Path:
        return self.host_mounts.layout.data_root

    def container(self, reference: str) -> Container:
        return self.registry.find(reference)

    def image(self, reference: str) -> str:
        return self.images.resolve(reference).id

    def place(self, container_id: str, index: int) -> Path:
        return self.host_mounts.place(container_id, index)


def _network_mode(config: ContainerConfig, host: HostConfig) -> str:
    if config.network_disabled:
        return "none"
    return "bridge" if host.network_mode in ("", "default") else host.network_mode
