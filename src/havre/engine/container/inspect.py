"""Inspect: a container's record as the API shows it, in the shape of API 1.51."""

from collections.abc import Callable
from typing import Any

import msgspec

from havre.engine.container import modes, network
from havre.engine.container.changes import ETC_FILES, layers
from havre.engine.container.links import Links
from havre.engine.container.logs import log_path
from havre.engine.container.record import Container, Health
from havre.errors import NotFound
from havre.image.snapshots import Snapshotter
from havre.lib.times import rfc3339nano
from havre.store.layout import Layout
from havre.wire.containers import EndpointSettings

STORAGE_DRIVER = "overlay2"
_NEVER = "0001-01-01T00:00:00Z"

HealthOf = Callable[[Container], Health | None]


class Inspector:
    """Makes documents. ``exec_ids`` gives the execs of a container that are known, ``health_of`` its health."""

    def __init__(
        self,
        layout: Layout,
        links: Links,
        snapshotter: Snapshotter,
        exec_ids: Callable[[str], list[str]],
        health_of: HealthOf,
    ) -> None:
        self._layout = layout
        self._snapshotter = snapshotter
        self._links = links
        self._exec_ids = exec_ids
        self._health_of = health_of

    def document(self, one: Container) -> dict[str, Any]:
        """The whole inspect document."""
        directory = self._layout.container(modes.joined(one.host.network_mode) or one.id)
        config, host = msgspec.to_builtins(one.config), msgspec.to_builtins(one.host)
        if one.config.healthcheck is None:
            config.pop("Healthcheck", None)
        elif not one.config.healthcheck.test:
            config["Healthcheck"].pop("Test", None)
        for name in ("StopSignal", "StopTimeout", "Shell", "MacAddress", "ArgsEscaped", "NetworkDisabled"):
            # Docker leaves these out when they are not set.
            if not config.get(name):
                config.pop(name, None)
        config["OnBuild"] = one.config.on_build
        main = one.endpoints.get(one.host.network_mode)
        if main is not None and main.mac_address:
            config["MacAddress"] = main.mac_address
        for name in ("Mounts", "Init", "Sysctls", "Annotations", "Tmpfs", "StorageOpt"):
            if host.get(name) is None:
                host.pop(name, None)
        host["Links"] = self._links.shown(one)
        if one.config.network_disabled:
            # It has no network, whatever it would have had.
            host["NetworkMode"] = "bridge"
        host["ConsoleSize"] = host["ConsoleSize"] or [0, 0]
        # They are made at the first start.
        files = {name: str(directory / name) if one.state.started_at else "" for name in ETC_FILES}
        return {
            "Id": one.id,
            "Created": rfc3339nano(one.created),
            "Path": one.path,
            "Args": list(one.args),
            "State": _state(one, self._health_of(one)),
            "Image": one.image,
            "ResolvConfPath": files["resolv.conf"],
            "HostnamePath": files["hostname"],
            "HostsPath": files["hosts"],
            "LogPath": log_path(one, directory),
            "Name": f"/{one.name}",
            "RestartCount": one.restart_count,
            "Driver": STORAGE_DRIVER,
            "Platform": one.platform,
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "",
            "ExecIDs": self._exec_ids(one.id) or None,
            "HostConfig": host,
            "GraphDriver": {"Name": STORAGE_DRIVER, "Data": self._directories(one)},
            "Mounts": mount_points(one),
            "Config": config,
            "NetworkSettings": self._network_settings(one),
        }

    def _directories(self, one: Container) -> dict[str, str] | None:
        """Where its layers are; None when they are gone, as those of a dead container may be."""
        try:
            upper, below = layers(self._snapshotter, one.id)
        except NotFound:
            return None
        return {
            "ID": one.id,
            "LowerDir": ":".join(map(str, below)),
            "MergedDir": str(self._layout.rootfs(one.id)),
            "UpperDir": str(upper),
            "WorkDir": str(upper.with_name("work")),
        }

    def aliases(self) -> dict[str, list[str]]:
        """The other names of containers, by id: those that links give them."""
        return self._links.aliases()

    def _network_settings(self, one: Container) -> dict[str, Any]:
        mode = one.host.network_mode
        settings = one.endpoints.get(mode) or EndpointSettings()
        bridged = mode == "bridge"
        own = network.own(one) and one.state.running
        return {
            "Bridge": "",
            "SandboxID": one.id if own else "",
            "SandboxKey": str(self._layout.netns / one.id) if own else "",
            "Ports": port_map(one),
            "HairpinMode": False,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": None,
            "SecondaryIPv6Addresses": None,
            "EndpointID": settings.endpoint_id if bridged else "",
            "Gateway": settings.gateway if bridged else "",
            "GlobalIPv6Address": settings.global_ipv6_address if bridged else "",
            "GlobalIPv6PrefixLen": settings.global_ipv6_prefix_len if bridged else 0,
            "IPAddress": settings.ip_address if bridged else "",
            "IPPrefixLen": settings.ip_prefix_len if bridged else 0,
            "IPv6Gateway": settings.ipv6_gateway if bridged else "",
            "MacAddress": one.mac_addresses.get(mode, "") if bridged else "",
            "Networks": {name: network_document(one, name, given) for name, given in one.endpoints.items()},
        }


def network_document(one: Container, name: str, settings: EndpointSettings) -> dict[str, Any]:
    """One of ``NetworkSettings.Networks``."""
    document: dict[str, Any] = msgspec.to_builtins(settings)
    document["MacAddress"] = one.mac_addresses.get(name) or settings.mac_address
    document["DNSNames"] = network.dns_names(one, name, settings)
    return document


def mount_points(one: Container) -> list[dict[str, Any]]:
    """``Mounts`` as list and inspect show them."""
    points = []
    for mount in one.mounts:
        if mount.hidden:
            continue
        point: dict[str, Any] = msgspec.to_builtins(mount.point)
        if mount.point.type != "volume":
            del point["Driver"]
        if not mount.point.name:
            del point["Name"]
        points.append(point)
    return points


def port_map(one: Container) -> dict[str, Any]:
    """``Ports`` as inspect shows them."""
    if not one.state.running or one.host.network_mode in ("host", "none"):
        return {}
    ports: dict[str, Any] = {}
    for port in one.config.exposed_ports or {}:
        ports[port if "/" in port else f"{port}/tcp"] = None
    for port, bindings in one.ports.items():
        ports[port] = [{"HostIp": binding.host_ip, "HostPort": binding.host_port} for binding in bindings]
    return ports


def _state(one: Container, health: Health | None) -> dict[str, Any]:
    state = one.state
    document = {
        "Status": state.status,
        "Running": state.running or state.status == "restarting",
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339nano(state.started_at) if state.started_at else _NEVER,
        "FinishedAt": rfc3339nano(state.finished_at) if state.finished_at else _NEVER,
    }
    if health is not None:
        document["Health"] = _health(health)
    return document


def _health(health: Health) -> dict[str, Any]:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": rfc3339nano(result.start),
                "End": rfc3339nano(result.end),
                "ExitCode": result.exit_code,
                "Output": result.output,
            }
            for result in health.log
        ],
    }
