"""Which namespaces a container has of its own, shares with the host or joins: the modes of a create request.

Texts are Docker's. Nothing here looks at a running container: ``joins`` does, at start.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from havre.engine.container.record import Container
from havre.errors import InvalidParameter, NotFound
from havre.wire.containers import ContainerConfig, HostConfig

_JOIN = "container:"


class Finder(Protocol):
    """Finds containers."""

    def find(self, reference: str) -> Container:
        """By name or id; ``NotFound``."""


def joined(mode: str) -> str | None:
    """The container that a mode names, None if it names none."""
    return mode.removeprefix(_JOIN) if mode.startswith(_JOIN) else None


def check(config: ContainerConfig, host: HostConfig) -> None:
    """``InvalidParameter`` for modes that are none, and for options that the others rule out."""
    if host.ipc_mode not in ("", "none", "private", "shareable", "host") and joined(host.ipc_mode) is None:
        raise InvalidParameter(f"invalid IPC mode: {host.ipc_mode}")
    if host.pid_mode not in ("", "host") and not joined(host.pid_mode):
        raise InvalidParameter(f"invalid PID mode: {host.pid_mode}")
    if host.uts_mode not in ("", "host"):
        raise InvalidParameter(f"invalid UTS mode: {host.uts_mode}")
    if host.cgroupns_mode not in ("", "private", "host"):
        raise InvalidParameter(f"invalid cgroup namespace mode: {host.cgroupns_mode}")
    if host.isolation.lower() not in ("", "default"):
        raise InvalidParameter(f"invalid isolation ({host.isolation}): linux only supports 'default'")
    if host.uts_mode == "host":
        for word, given in (("hostname", config.hostname), ("domainname", config.domainname)):
            if given:
                raise InvalidParameter(f"conflicting options: {word} and the UTS mode")
    if host.network_mode == "host" and host.links:
        raise InvalidParameter(
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior"
        )
    if joined(host.network_mode) is not None:
        _check_joined_network(config, host)


def _check_joined_network(config: ContainerConfig, host: HostConfig) -> None:
    if not joined(host.network_mode):
        raise InvalidParameter("invalid network mode: invalid container format container:<name|id>")
    for given, words in (
        (config.hostname, "hostname and the network mode"),
        (host.dns, "dns and the network mode"),
        (host.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (config.mac_address, "mac-address and the network mode"),
        (host.port_bindings or host.publish_all_ports, "port publishing and the container type network mode"),
        (config.exposed_ports, "port exposing and the container type network mode"),
    ):
        if given:
            raise InvalidParameter(f"conflicting options: {words}")
    if host.links:
        raise InvalidParameter(
            "conflicting options: container type network can't be used with links. "
            "This would result in undefined behavior"
        )


def resolve(host: HostConfig, containers: Finder) -> HostConfig:
    """The modes with the full ids of the containers they name.

    As with Docker, that of the network may name one that is not there yet.
    """
    changes: dict[str, Any] = {}
    for name in ("ipc_mode", "pid_mode", "network_mode"):
        reference = joined(getattr(host, name))
        if not reference:
            continue
        try:
            changes[name] = f"{_JOIN}{containers.find(reference).id}"
        except NotFound as error:
            if name != "network_mode":
                raise InvalidParameter(error.message) from None
    return msgspec.structs.replace(host, **changes) if changes else host


def needs(container: Container) -> set[str]:
    """The containers that must run before this one can: by id, or by the name of one that was not there at create."""
    host = container.host
    found = {joined(mode) for mode in (host.ipc_mode, host.pid_mode, host.network_mode)}
    return {one for one in found if one} | set(container.links.values())


def in_order(containers: Iterable[Container]) -> list[Container]:
    """All of them, each behind those it needs; in a circle, which no start gets out of, somewhere."""
    waiting = {one.id: one for one in containers}
    ids = {one.name: one.id for one in waiting.values()}
    ordered: list[Container] = []

    def take(reference: str) -> None:
        one = waiting.pop(ids.get(reference, reference), None)
        if one is not None:
            for needed in sorted(needs(one)):
                take(needed)
            ordered.append(one)

    for container_id in list(waiting):
        take(container_id)
    return ordered
