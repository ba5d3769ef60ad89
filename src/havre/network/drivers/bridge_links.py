"""The kernel's side of bridge networks: the bridge itself and the veth pairs on it. Every function blocks."""

import errno
import fcntl
import logging
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
)
from pathlib import Path

from havre.errors import Conflict, InvalidParameter, SystemFault, Unavailable
from havre.kernel import conntrack, namespaces, rtnetlink
from havre.kernel.rtnetlink import Link, Rtnetlink
from havre.network.ipam import free_network, mac_of
from havre.network.model import Endpoint

log = logging.getLogger(__name__)

# veth_name's form: nobody else's interfaces look like this.
_VETH = re.compile(r"veth[0-9a-f]{11}")
# Seconds: choosing takes milliseconds, several daemons may queue.
_CHOICE_PATIENCE = 20.0


def veth_name(endpoint_id: str) -> str:
    """The host's end of an endpoint's veth pair."""
    return f"veth{endpoint_id[:11]}"


class Claims:
    """What daemons in this network namespace must not do at the same time. All of it ends with the process."""

    def __init__(self) -> None:
        self._choosing = -1
        self._bridges: dict[str, socket.socket] = {}

    def begin_choice(self) -> None:
        """Wait until no other daemon is between choosing a free network and taking it; ``Unavailable`` if one
        hangs there.
        """
        fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        deadline = time.monotonic() + _CHOICE_PATIENCE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(fd)
                    raise Unavailable(
                        "another havred has been choosing its bridge for too long: is it stuck?"
                    ) from None
                time.sleep(0.02)
        self._choosing = fd

    def end_choice(self) -> None:
        if self._choosing != -1:
            os.close(self._choosing)
            self._choosing = -1

    def claim(self, bridge: str) -> None:
        """Be the one daemon of ``bridge``, until ``give_up``. Raises ``Conflict`` when another one is."""
        if bridge in self._bridges:
            return
        # An abstract address belongs to one network namespace, as the bridge's name does, and leaves no file behind.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            claim.bind(f"\0havre/bridge/{bridge}")
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise Conflict(f"the bridge {bridge} is another havred's: choose a name with --bridge") from None
        self._bridges[bridge] = claim

    def give_up(self, bridge: str) -> None:
        if bridge in self._bridges:
            self._bridges.pop(bridge).close()


@dataclass(frozen=True, slots=True)
class Choice:
    """A bridge's address; ``owned`` when the bridge is ours to make and to remove."""

    address: IPv4Interface
    owned: bool


def choose(name: str, recorded: IPv4Interface | None, wanted: IPv4Interface | None) -> Choice:
    """Decide the bridge's address: ``wanted`` (--bip), else what it has, else the recorded one, else a free network."""
    if wanted is not None and not _usable(wanted):
        raise InvalidParameter(f"invalid --bip {wanted}: it is no address that a host on its network can have")
    with Rtnetlink() as netlink:
        link = netlink.link(name)
        if link is not None and link.kind != "bridge":
            raise Conflict(f"the interface {name} exists and is not a bridge: choose another name with --bridge")
        addresses, routes = netlink.addresses(), netlink.routes()
    index = link.index if link is not None else -1
    present = [address for owner, address in addresses if owner == index]
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
    # Bridges we make carry a MAC address made from their own; that tells one left by a lost data root from a user's.
    return Choice(address, link is None or any(link.mac == mac_of(each.ip) for each in present))


def busy() -> list[IPv4Network | IPv6Network]:
    """The networks this host has routes to, or addresses of."""
    with Rtnetlink() as netlink:
        found: list[IPv4Network | IPv6Network] = [address.network for _, address in netlink.addresses()]
        found += [route for _, route in netlink.routes()]
        found += [route for _, route in netlink.routes6()]
    return found


def existing(name: str) -> bool:
    """Whether there is a bridge of that name; ``Conflict`` when there is something else of that name."""
    with Rtnetlink() as netlink:
        link = netlink.link(name)
    if link is not None and link.kind != "bridge":
        raise Conflict(f"the interface {name} exists and is not a bridge")
    return link is not None


def present(name: str) -> bool:
    """Whether there is a link of that name."""
    with Rtnetlink() as netlink:
        return netlink.link(name) is not None


def _usable(address: IPv4Interface) -> bool:
    network = address.network
    return network.prefixlen <= 30 and address.ip not in (network.network_address, network.broadcast_address)


@dataclass(frozen=True, slots=True)
class BridgeSpec:
    """A bridge as it should be: ``addresses`` are its own, ``routing`` the IP versions that NAT is done for."""

    name: str
    mac: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    mtu: int
    routing: tuple[int, ...]
    isolated_ports: bool = False


def open_bridge(spec: BridgeSpec, endpoints: Sequence[Endpoint]) -> None:
    """Make the bridge, or take it over with the veths of ``endpoints``; others of our naming on it are removed.

    Routing is forwarding, if the host does not forward yet (it then does between all its interfaces, as any router; the
    tables of others are not ours to restrict), and for this bridge alone answers to the host's loopback.
    """
    name, versions = spec.name, {address.version for address in spec.addresses}
    with Rtnetlink() as netlink:
        link = netlink.link(name)
        if link is None:
            netlink.execute(rtnetlink.bridge_add(name, spec.mac, spec.mtu))
            with suppress(FileNotFoundError):  # a kernel without IPv6
                # What a container says of itself does not make it the host's router.
                namespaces.write_sysctl(f"net/ipv6/conf/{name}/accept_ra", "0")
            link = netlink.link(name)
            assert link is not None
        if link.kind != "bridge":
            raise Conflict(f"the interface {name} exists and is not a bridge")
        if 6 in versions:
            namespaces.write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0")
        else:
            with suppress(FileNotFoundError):  # a kernel without IPv6
                namespaces.write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
        given = [rtnetlink.address_add(link.index, address) for address in spec.addresses]
        netlink.execute(*given, rtnetlink.link_up(link.index))
        _tidy(netlink, link, endpoints, spec.isolated_ports)
    if 4 in spec.routing and 4 in versions:
        namespaces.write_sysctl(f"net/ipv4/conf/{name}/route_localnet", "1")
        _switch_on("net/ipv4/ip_forward")
    if 6 in spec.routing and 6 in versions:
        _switch_on("net/ipv6/conf/default/forwarding")
        _switch_on("net/ipv6/conf/all/forwarding")


def mend_bridge(spec: BridgeSpec, endpoints: Sequence[Endpoint]) -> bool:
    """Do what ``open_bridge`` does; whether it made a difference."""
    before = _look(spec.name)
    open_bridge(spec, endpoints)
    return _look(spec.name) != before


def _look(name: str) -> tuple[object, ...]:
    """What a bridge is made of, to compare: its link, its addresses, and the names of its ports."""
    with Rtnetlink() as netlink:
        links = netlink.links()
        bridge = next((link for link in links if link.name == name), None)
        if bridge is None:
            return ()
        # Link-local ones the kernel makes by itself, a moment after the bridge is up.
        six = [(owner, address) for owner, address in netlink.addresses6() if not address.is_link_local]
        addresses = {str(address) for owner, address in [*netlink.addresses(), *six] if owner == bridge.index}
        return bridge, addresses, {link.name for link in links if link.master == bridge.index}


def _filters_bridged() -> bool:
    """Whether frames between the ports of bridges pass through the rules (br_netfilter). They keep neighbours apart
    then: ports that are isolated would do so for published ports too, which are translated before the bridge decides.
    """
    try:
        return namespaces.read_sysctl("net/bridge/bridge-nf-call-iptables") == "1"
    except FileNotFoundError:
        return False


def _switch_on(name: str) -> None:
    if namespaces.read_sysctl(name) == "0":
        namespaces.write_sysctl(name, "1")


def _tidy(netlink: Rtnetlink, bridge: Link, endpoints: Sequence[Endpoint], isolated: bool) -> None:
    links = {link.name: link for link in netlink.links()}
    wanted = {endpoint.host_interface for endpoint in endpoints}
    for name, link in links.items():
        if link.master == bridge.index and _VETH.fullmatch(name) and name not in wanted:
            netlink.execute(rtnetlink.link_delete(name))
    for name in wanted:
        if name not in links:
            log.warning("the interface %s of a running container is gone: it has no network until its restart", name)
        elif links[name].master != bridge.index:
            netlink.execute(rtnetlink.link_master(name, bridge.index), rtnetlink.hairpin_on(name))
            if isolated and not _filters_bridged():
                netlink.execute(rtnetlink.port_isolated(name))


def close_bridge(name: str, owned: bool) -> None:
    """Remove the bridge if it is ours; else take back what ``open_bridge`` let it do: its guard in nftables goes."""
    if owned:
        delete([name])
        return
    with suppress(FileNotFoundError):
        namespaces.write_sysctl(f"net/ipv4/conf/{name}/route_localnet", "0")


def join(spec: BridgeSpec, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
    """Give the namespace at ``sandbox`` an interface on the bridge, with the endpoint's addresses and for the IP
    versions in ``default`` the default route.
    """
    name = endpoint.host_interface
    fd = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Rtnetlink() as netlink:
            link = netlink.link(spec.name)
            if link is None:
                raise SystemFault(f"the bridge {spec.name} is gone: `havre network repair` makes it again")
            netlink.execute(
                rtnetlink.veth_add(name, link.index, endpoint.interface, endpoint.mac, fd, spec.mtu),
                rtnetlink.no_link_local(name),
                rtnetlink.hairpin_on(name),
                *((rtnetlink.port_isolated(name),) if spec.isolated_ports and not _filters_bridged() else ()),
                rtnetlink.link_up(name),
            )
    finally:
        os.close(fd)
    dress(endpoint, sandbox, default)


def dress(endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
    """Give the endpoint's interface, which the namespace has, its addresses and routes."""
    with namespaces.enter(sandbox, lambda: _inside(endpoint)) as netlink:
        inside = netlink.link(endpoint.interface)
        assert inside is not None
        addresses = [(endpoint.ip_address, endpoint.prefix_len), (endpoint.ipv6_address, endpoint.ipv6_prefix_len)]
        addresses += [(text, 64 if ":" in text else 16) for text in endpoint.link_local]
        gateways = [
            gateway
            for version, gateway in ((4, endpoint.gateway), (6, endpoint.ipv6_gateway))
            if gateway and version in default
        ]
        netlink.execute(
            # Up before the route: a route needs a link that is up.
            rtnetlink.link_up(inside.index),
            *(rtnetlink.address_add(inside.index, ip_interface(f"{one}/{bits}")) for one, bits in addresses if one),
            *(rtnetlink.default_route_add(inside.index, ip_address(gateway)) for gateway in gateways),
        )


def _inside(endpoint: Endpoint) -> Rtnetlink:
    if endpoint.ipv6_address or any(":" in text for text in endpoint.link_local):
        namespaces.write_sysctl(f"net/ipv6/conf/{endpoint.interface}/disable_ipv6", "0")
    return Rtnetlink()


def silence(name: str) -> None:
    """Stop all traffic of the veth at once, without waiting for its removal."""
    with Rtnetlink() as netlink:
        netlink.execute(rtnetlink.port_off(name))


def delete(names: Iterable[str]) -> None:
    """Remove those of the links that are still there."""
    with Rtnetlink() as netlink:
        present = {link.name for link in netlink.links()}
        for name in names:
            if name in present:
                netlink.execute(rtnetlink.link_delete(name))


def forget_flows(endpoints: Iterable[Endpoint]) -> None:
    """Forget the UDP flows to the ports ``endpoints`` publish or published, so that NAT looks at their clients anew."""
    ports = {port.host_port for endpoint in endpoints for port in endpoint.ports if port.proto == "udp"}
    if not ports:
        return
    with Rtnetlink() as netlink:
        local: set[IPv4Address | IPv6Address] = {address.ip for _, address in netlink.addresses()}
        local |= {address.ip for _, address in netlink.addresses6()}
    conntrack.forget_udp(ports, lambda destination: destination in local or destination.is_loopback)
