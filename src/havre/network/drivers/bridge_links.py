"""The kernel's side of bridge networks: the bridge itself and the veth pairs on it. Every function blocks."""

import fcntl
import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from havre.errors import Conflict
from havre.kernel import namespaces, netlink
from havre.kernel.netlink import Rtnetlink
from havre.network.ipam import free_network, mac_of
from havre.network.model import Endpoint

_VETH = re.compile(r"veth[0-9a-f]{11}")
_INSIDE = "eth0"


class ChoiceLock:
    """Lets one daemon at a time choose a free network and take it: a lock on this network namespace itself."""

    def __init__(self) -> None:
        self._fd = -1

    def acquire(self) -> None:
        if self._fd == -1:
            fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._fd = fd

    def release(self) -> None:
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1


@dataclass(frozen=True, slots=True)
class Choice:
    """A bridge's name and address; ``owned`` when it is ours to make and to remove."""

    interface: str
    address: IPv4Interface
    owned: bool


def choose(name: str, subnet: str, gateway: str, wanted: IPv4Interface | None) -> Choice:
    """Decide the bridge's address: ``wanted`` (--bip), else what it has, else the recorded one, else a free network."""
    with Rtnetlink() as socket:
        link = socket.link(name)
        if link is not None and link.kind != "bridge":
            raise Conflict(f"the interface {name} exists and is not a bridge: choose another name with --bridge")
        addresses, routes = socket.addresses(), socket.routes()
    index = link.index if link is not None else -1
    present = [address for owner, address in addresses if owner == index]
    recorded = IPv4Interface(f"{gateway}/{subnet.partition('/')[2]}") if subnet else None
    if wanted is not None:
        address = wanted
    elif present:
        address = recorded if recorded in present else present[0]
    else:
        busy = [other.network for owner, other in addresses if owner != index]
        busy += [other for owner, other in routes if owner != index]
        if recorded is not None and not any(recorded.network.overlaps(other) for other in busy):
            address = recorded
        else:
            network = free_network(busy)
            address = IPv4Interface((network.network_address + 1, network.prefixlen))
    return Choice(name, address, owned=link is None)


def open_bridge(name: str, address: IPv4Interface, mtu: int, routing: bool, kept: Collection[str]) -> None:
    """Make the bridge, or take it over; delete those of its veths (by our naming) that are not among ``kept``.

    ``routing`` switches on what NAT needs: forwarding, where the host does not forward yet, and for this bridge alone
    answers to the host's loopback.
    """
    with Rtnetlink() as socket:
        link = socket.link(name)
        if link is None:
            socket.execute(netlink.bridge_add(name, mac_of(address.ip), mtu))
            link = socket.link(name)
            assert link is not None
        with suppress(FileNotFoundError):  # a kernel without IPv6
            namespaces.write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
        socket.execute(netlink.address_add(link.index, address), netlink.link_up(link.index))
        ports = [port.name for port in socket.links() if port.master == link.index]
        orphans = [port for port in ports if _VETH.fullmatch(port) and port not in kept]
        socket.execute(*(netlink.link_delete(port) for port in orphans))
    if routing:
        namespaces.write_sysctl(f"net/ipv4/conf/{name}/route_localnet", "1")
        if namespaces.read_sysctl("net/ipv4/ip_forward") == "0":
            namespaces.write_sysctl("net/ipv4/ip_forward", "1")


def join(bridge: str, endpoint: Endpoint, sandbox: Path, mtu: int) -> None:
    """Give the namespace at ``sandbox`` an ``eth0`` on ``bridge`` with the endpoint's addresses and default route."""
    name = endpoint.host_interface
    fd = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Rtnetlink() as socket:
            link = socket.link(bridge)
            if link is None:
                raise Conflict(f"the bridge {bridge} is gone: restart the daemon to make it again")
            socket.execute(
                netlink.veth_add(name, link.index, _INSIDE, endpoint.mac, fd, mtu),
                netlink.no_link_local(name),
                netlink.hairpin_on(name),
                netlink.link_up(name),
            )
    finally:
        os.close(fd)
    with namespaces.enter(sandbox, Rtnetlink) as socket:
        inside = socket.link(_INSIDE)
        assert inside is not None
        socket.execute(
            netlink.link_up(inside.index),
            netlink.address_add(inside.index, IPv4Interface(f"{endpoint.ip_address}/{endpoint.prefix_len}")),
            netlink.default_route_add(inside.index, IPv4Address(endpoint.gateway)),
        )


def silence(name: str) -> None:
    """Stop all traffic of the veth at once, without waiting for its removal."""
    with Rtnetlink() as socket:
        socket.execute(netlink.port_off(name))


def delete(names: Iterable[str]) -> None:
    """Remove those of the links that are still there."""
    with Rtnetlink() as socket:
        present = {link.name for link in socket.links()}
        for name in names:
            if name in present:
                socket.execute(netlink.link_delete(name))
