"""Who can reach a published port, and through which rule: what ``havre network why`` tells. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address

from havre.network.firewall import MARK
from havre.network.model import Endpoint, PublishedPort
from havre.network.obstacles import Chain
from havre.network.ports import ANY, ANY6
from havre.network.settings import NetworkSettings


def target(endpoint: Endpoint, port: PublishedPort) -> str:
    """Where the port leads: the container's address and port."""
    if port.version == 6:
        return f"[{endpoint.ipv6_address}]:{port.container_port}"
    return f"{endpoint.ip_address}:{port.container_port}"


def rule(table: str, endpoint: Endpoint, port: PublishedPort) -> str:
    """The element of the table that sends it there, as ``nft`` prints it."""
    suffix, address = ("6", endpoint.ipv6_address) if port.version == 6 else ("", endpoint.ip_address)
    if not port.host_port:
        direct = f"{address} . {port.proto} . {port.container_port}"
        return f"table inet {table}, set direct{suffix}: {direct}"
    key, name = f"{port.proto} . {port.host_port}", "published"
    if port.host_ip not in (ANY, ANY6):
        key, name = f"{port.host_ip} . {key}", "published_on"
    return f"table inet {table}, map {name}{suffix}: {key} : {address} . {port.container_port}"


def reach(
    port: PublishedPort, settings: NetworkSettings, dropping: Iterable[Chain], refusing: Iterable[Chain] = ()
) -> list[str]:
    """Who can come in, in sentences. ``dropping`` are the chains of others that drop what is forwarded by default,
    ``refusing`` those that drop what comes to the host.
    """
    version = port.version
    if not settings.firewall or (version == 6 and not settings.firewall6):
        return ["nobody: the daemon runs without rules (--iptables=false, --ip6tables=false)"]
    if not port.host_port:
        told = ["every machine that has a route to the container's own address (gateway mode routed)"]
        return told + _dropped(version, dropping)
    if ip_address(port.host_ip).is_loopback:
        return ["this host alone, and no container: it is published on a loopback address"]
    where = f"an IPv{version} address of this host" if port.host_ip in (ANY, ANY6) else port.host_ip
    told = [f"every machine that reaches {where}, and containers of all networks through it"]
    if port.host_ip == ANY6:
        told.append("not this host through ::1: the kernel leads no answer back to it")
    if settings.honest:
        told.append('only whom the host\'s own input rules let in ("firewall": "honest")')
        told += [
            f"only what chain {chain} of table {family} {table} accepts: it drops what comes to this host otherwise"
            for family, table, chain in _of(version, refusing)
        ]
    else:
        told.append('the host\'s own input rules are not asked ("firewall": "docker")')
    return told + _dropped(version, dropping)


def _dropped(version: int, dropping: Iterable[Chain]) -> list[str]:
    return [
        f"only what chain {chain} of table {family} {table} accepts: it drops forwarded packets by default, also those "
        f"with the mark {MARK:#x} (docs/firewall.md)"
        for family, table, chain in _of(version, dropping)
    ]


def _of(version: int, chains: Iterable[Chain]) -> list[Chain]:
    return [chain for chain in chains if chain[0] == "inet" or (chain[0] == "ip6") == (version == 6)]
