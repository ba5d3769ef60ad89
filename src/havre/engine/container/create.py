"""Create: from a request and an image to a record and a snapshot, committed before the client hears of it."""

import shutil
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import msgspec

from havre.engine.container import merge, mounts, validate
from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.engine.container.rules import HostRules
from havre.errors import InvalidParameter, Unsupported
from havre.image.manifest import Platform, parse_platform
from havre.image.snapshots import Snapshotter
from havre.image.store import Image
from havre.lib import ids, names
from havre.logs.drivers import ALL as LOG_DRIVERS
from havre.runtime.runtimes.probe import Runtimes
from havre.runtime.spec import MASKED_PATHS, READONLY_PATHS
from havre.store.layout import Layout
from havre.wire.containers import (
    ContainerConfig,
    EndpointIPAMConfig,
    EndpointSettings,
    HostConfig,
    LogConfig,
    NetworkingConfig,
    RestartPolicy,
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the daemon's configuration gives containers that do not say otherwise."""

    log_driver: str
    log_options: dict[str, str]
    # A cgroup namespace of its own on cgroup v2, the host's on v1, where older programs would not find their group.
    cgroupns: str = "private"
    init: bool = False


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
        events: EventSink,
        rules: HostRules,
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
        self._defaults = defaults

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
        warnings = validate.create(config, host)
        host, discarded = self._rules.settle(host)
        warnings += discarded
        image = self._images.resolve(config.image, parse_platform(platform) if platform else None)
        container_id = ids.new_id()
        config = _complete_config(merge.merge(config, image.config), host, container_id)
        host = self._complete_host(config, host)
        endpoints = self._endpoints(config, host, networking)
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
            endpoints=endpoints,
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
            planned = await mounts.plan(container.config, container.host, self._volumes, container.id)
            await self._snapshotter.prepare(container.id, image.chain_id)
            undo.push_async_callback(self._snapshotter.remove, container.id)
            directory = self._layout.container(container.id)
            (directory / "rootfs").mkdir(parents=True, mode=0o711)
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            container = await self._registry.save(container.replace(mounts=planned))
            undo.pop_all()
        return container

    def _complete_host(self, config: ContainerConfig, host: HostConfig) -> HostConfig:
        """Docker's defaults, as inspect shows them."""
        log = host.log_config
        if not log.type:
            log = LogConfig(type=self._defaults.log_driver, config={**self._defaults.log_options, **(log.config or {})})
            LOG_DRIVERS[log.type].check(log.config or {})
        if host.privileged:
            masked: list[str] | None = None
            readonly: list[str] | None = None
        else:
            masked = list(MASKED_PATHS) if host.masked_paths is None else host.masked_paths
            readonly = list(READONLY_PATHS) if host.readonly_paths is None else host.readonly_paths
        return msgspec.structs.replace(
            host,
            log_config=msgspec.structs.replace(log, config=log.config or {}),
            network_mode=_network_mode(config, host),
            restart_policy=RestartPolicy(
                name=host.restart_policy.name or "no", maximum_retry_count=host.restart_policy.maximum_retry_count
            ),
            ipc_mode=host.ipc_mode or "private",
            cgroupns_mode=host.cgroupns_mode or self._defaults.cgroupns,
            masked_paths=masked,
            readonly_paths=readonly,
            init=host.init if host.init is not None else (True if self._defaults.init else None),
        )

    def _endpoints(
        self, config: ContainerConfig, host: HostConfig, networking: NetworkingConfig
    ) -> dict[str, EndpointSettings]:
        asked = {
            ("bridge" if name == "default" else name): settings or EndpointSettings()
            for name, settings in (networking.endpoints_config or {}).items()
        }
        mode = host.network_mode
        if mode.startswith("container:"):
            raise Unsupported("havre does not implement HostConfig.NetworkMode = container:… yet")
        if set(asked) - {mode}:
            raise Unsupported("havre does not implement NetworkingConfig with more than one network yet")
        for settings in asked.values():
            if settings.links or settings.driver_opts:
                raise Unsupported("havre does not implement EndpointSettings.Links and .DriverOpts yet")
            if settings.aliases and mode in ("bridge", "host", "none"):
                raise InvalidParameter("network-scoped alias is supported only for containers in user defined networks")
        endpoint = asked.get(mode, EndpointSettings())
        if config.mac_address and not endpoint.mac_address:
            endpoint = msgspec.structs.replace(endpoint, mac_address=config.mac_address)
        _refuse_addresses(mode, endpoint)
        return {mode: endpoint}


def _refuse_addresses(mode: str, endpoint: EndpointSettings) -> None:
    """Addresses that the network gives nobody: they would be ignored."""
    ipam = endpoint.ipam_config or EndpointIPAMConfig()
    if mode in ("host", "none") and endpoint.mac_address:
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if ipam.ipv6_address or ipam.link_local_ips or (mode in ("host", "none") and ipam.ipv4_address):
        raise InvalidParameter("user specified IP address is supported on user defined networks only")


def _network_mode(config: ContainerConfig, host: HostConfig) -> str:
    if config.network_disabled:
        return "none"
    return "bridge" if host.network_mode in ("", "default") else host.network_mode


def _complete_config(config: ContainerConfig, host: HostConfig, container_id: str) -> ContainerConfig:
    hostname = config.hostname or (
        socket.gethostname() if host.network_mode == "host" or host.uts_mode == "host" else ""
    )
    exposed = dict(config.exposed_ports or {})
    for port in host.port_bindings or {}:
        exposed.setdefault(port, {})
    return msgspec.structs.replace(
        config, hostname=hostname or container_id[:12], exposed_ports=exposed or None, labels=config.labels or {}
    )
