"""Who is where, as the resolver is told it. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Protocol

from havre.network import gateways
from havre.network.model import Endpoint, Network
from havre.network.names import Upstream


class Source(Protocol):
    """What ``Networks`` knows."""

    def all(self) -> list[Network]: ...

    def endpoints_of(self, container_id: str) -> list[Endpoint]: ...

    def endpoints_on(self, network_id: str) -> list[Endpoint]: ...


def network(found: Network, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The names on one network."""
    members = [[list(each.names), each.ip_address, each.ipv6_address] for each in endpoints if each.names]
    return {"name": found.name, "internal": found.internal, "members": members}


def places(source: Source, container_id: str, networks: dict[str, Any]) -> list[list[Any]]:
    """Which of ``networks`` the container asks, that of its default route first, and its links on each."""
    endpoints = source.endpoints_of(container_id)
    default = gateways.chosen(endpoints, 4)
    ordered = sorted(endpoints, key=lambda each: (each is not default, -each.priority, each.network_name))
    return [
        [each.network_id, {alias.lower(): name.lower() for alias, name in each.links.items()}]
        for each in ordered
        if each.network_id in networks
    ]


def everything(source: Source, containers: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All networks on which containers have names, and the places of ``containers``."""
    networks = {
        found.id: network(found, source.endpoints_on(found.id)) for found in source.all() if not found.predefined
    }
    return networks, {name: places(source, name, networks) for name in containers}


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What makes ``after`` of ``before``; None is for what is gone."""
    gone: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    return gone | {key: value for key, value in after.items() if before.get(key) != value}


def upstream(asked: Upstream) -> dict[str, Any]:
    """Who is asked for other names. What is no address is nobody."""
    servers = [[server, server in asked.on_host] for server in asked.servers if _is_address(server)]
    ndots = [option.partition(":")[2] for option in asked.options if option.startswith("ndots:")]
    return {"servers": servers, "dotless": bool(ndots) and ndots[-1] not in ("", "0")}


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
