"""Links, addresses and routes of one network namespace, over rtnetlink. The network room comes in.

Requests are values; ``Rtnetlink.execute`` does any number of them in one system call. Layouts are those of
linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from havre.kernel.netlink import (
    CREATE,
    EXCLUSIVE,
    REPLACE,
    NetlinkError,
    NetlinkSocket,
    Request,
    attribute,
    attributes,
    nested,
    number,
    text,
)

_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_UINT = struct.Struct("=I")

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC = 1, 3, 4, 10, 18, 26
_IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 28, 1, 2, 4, 5
_VETH_INFO_PEER, _IFLA_BRPORT_STATE, _IFLA_BRPORT_MODE, _IFLA_INET6_ADDR_GEN_MODE = 1, 1, 4, 8
_IFLA_BRPORT_ISOLATED = 33
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD = 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_METRIC6 = 1024
_IFF_UP = 0x1
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST = 254, 3, 0, 1
_BR_STATE_DISABLED, _IN6_ADDR_GEN_MODE_NONE = 0, 1
_NO_INDEX = _IFINFO.pack(0, 0, 0, 0, 0)  # the link is named by an attribute

LOOPBACK_INDEX = 1


@dataclass(frozen=True, slots=True)
class Link:
    """An interface; ``master`` is the index of its bridge, or 0; ``kind`` is "" for hardware and the loopback."""

    index: int
    name: str
    kind: str
    master: int
    up: bool
    mac: str


def bridge_add(name: str, mac: str, mtu: int) -> Request:
    """Make the bridge ``name``, up; a fixed ``mac`` keeps it from changing with every port that joins."""
    body = (
        _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP)
        + text(_IFLA_IFNAME, name)
        + attribute(_IFLA_ADDRESS, _mac(mac))
        + number(_IFLA_MTU, mtu)
        + nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "bridge"))
    )
    return Request(_NEWLINK, CREATE | EXCLUSIVE, body, f"add bridge {name}")


def veth_add(name: str, bridge: int, peer: str, peer_mac: str, peer_netns: int, mtu: int) -> Request:
    """Make a veth pair, both down: ``name``, a port of ``bridge`` (index); ``peer`` in the namespace of that fd."""
    other = (
        _NO_INDEX
        + text(_IFLA_IFNAME, peer)
        + attribute(_IFLA_ADDRESS, _mac(peer_mac))
        + number(_IFLA_MTU, mtu)
        + number(_IFLA_NET_NS_FD, peer_netns)
    )
    body = (
        _NO_INDEX
        + text(_IFLA_IFNAME, name)
        + number(_IFLA_MTU, mtu)
        + number(_IFLA_MASTER, bridge)
        + nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "veth"), nested(_IFLA_INFO_DATA, nested(_VETH_INFO_PEER, other)))
    )
    return Request(_NEWLINK, CREATE | EXCLUSIVE, body, f"add veth {name}")


def link_master(name: str, bridge: int) -> Request:
    """Make the link a port of ``bridge`` (index)."""
    body = _NO_INDEX + text(_IFLA_IFNAME, name) + number(_IFLA_MASTER, bridge)
    return Request(_NEWLINK, 0, body, f"put {name} on its bridge")


def hairpin_on(name: str) -> Request:
    """Let the bridge send a frame back out of the port ``name`` it came in by."""
    return Request(_NEWLINK, 0, _port_option(name, _IFLA_BRPORT_MODE, 1), f"set hairpin mode of {name}")


def port_isolated(name: str) -> Request:
    """Keep the bridge port ``name`` from exchanging frames with other such ports."""
    return Request(_NEWLINK, 0, _port_option(name, _IFLA_BRPORT_ISOLATED, 1), f"isolate {name}")


def port_off(name: str) -> Request:
    """Stop all traffic of the bridge port ``name`` at once; one that is not there (any more) counts as stopped."""
    body = _port_option(name, _IFLA_BRPORT_STATE, _BR_STATE_DISABLED)
    return Request(_NEWLINK, 0, body, f"stop bridge port {name}", frozenset({errno.ENODEV, errno.EINVAL}))


def no_link_local(name: str) -> Request:
    """Give the link no IPv6 address of its own making when it comes up; done already where there is no IPv6."""
    family = nested(socket.AF_INET6, attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE])))
    body = _NO_INDEX + text(_IFLA_IFNAME, name) + nested(_IFLA_AF_SPEC, family)
    return Request(_NEWLINK, 0, body, f"disable IPv6 addresses of {name}", frozenset({errno.EAFNOSUPPORT}))


def link_up(link: str | int) -> Request:
    """Bring a link up, given its name or index."""
    if isinstance(link, int):
        body = _IFINFO.pack(0, 0, link, _IFF_UP, _IFF_UP)
    else:
        body = _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP) + text(_IFLA_IFNAME, link)
    return Request(_NEWLINK, 0, body, f"bring link {link} up")


def link_delete(name: str) -> Request:
    """Remove the link, and with one end of a veth pair the other; one that is not there counts as removed.

    The kernel waits until no CPU can be using it: about 14 ms, during which all other changes to links wait too.
    """
    return Request(_DELLINK, 0, _NO_INDEX + text(_IFLA_IFNAME, name), f"delete link {name}", frozenset({errno.ENODEV}))


def address_add(index: int, address: IPv4Interface | IPv6Interface) -> Request:
    """Give the link the address, with an IPv4 network's broadcast address; one it already has counts as given.

    An IPv6 address serves at once: nobody else is asked whether he has it.
    """
    family, flags, broadcast = socket.AF_INET6, _IFA_F_NODAD, b""
    if isinstance(address, IPv4Interface):
        family, flags = socket.AF_INET, 0
        if address.network.prefixlen < 31:
            broadcast = attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)
    body = (
        _IFADDR.pack(family, address.network.prefixlen, flags, _RT_SCOPE_UNIVERSE, index)
        + attribute(_IFA_LOCAL, address.packed)
        + attribute(_IFA_ADDRESS, address.packed)
        + broadcast
    )
    return Request(_NEWADDR, CREATE | EXCLUSIVE, body, f"add address {address}", frozenset({errno.EEXIST}))


def default_route_add(index: int, gateway: IPv4Address | IPv6Address) -> Request:
    """Route everything else through ``gateway``, which the link must reach, instead of through another there was.

    The unspecified address is no gateway: everybody is on the link.
    """
    family = socket.AF_INET if gateway.version == 4 else socket.AF_INET6
    # One of IPv6 would be added beside the other, were it not of the same metric.
    metric = number(_RTA_PRIORITY, _METRIC6) if gateway.version == 6 else b""
    body = (
        _RTMSG.pack(family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0)
        + (b"" if gateway.is_unspecified else attribute(_RTA_GATEWAY, gateway.packed))
        + number(_RTA_OIF, index)
        + metric
    )
    return Request(_NEWROUTE, CREATE | REPLACE, body, f"add default route via {gateway}")


class Rtnetlink(NetlinkSocket):
    """A route socket of the network namespace it was opened in; see ``NetlinkSocket``."""

    def __init__(self) -> None:
        super().__init__(socket.NETLINK_ROUTE)

    def links(self) -> list[Link]:
        """Every interface."""
        return [_link(payload) for payload in self.dump(_GETLINK, _NO_INDEX, "list links")]

    def link(self, name: str) -> Link | None:
        """The interface called ``name``, or None."""
        try:
            return _link(self.ask(_GETLINK, _NO_INDEX + text(_IFLA_IFNAME, name), f"look up link {name}"))
        except NetlinkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def addresses(self) -> list[tuple[int, IPv4Interface]]:
        """The IPv4 addresses, each with its interface's index."""
        return [(index, IPv4Interface((given, prefix))) for index, given, prefix in self._given(socket.AF_INET)]

    def addresses6(self) -> list[tuple[int, IPv6Interface]]:
        """The IPv6 addresses, each with its interface's index."""
        return [(index, IPv6Interface((given, prefix))) for index, given, prefix in self._given(socket.AF_INET6)]

    def _given(self, family: int) -> Iterator[tuple[int, bytes, int]]:
        for payload in self.dump(_GETADDR, _IFADDR.pack(family, 0, 0, 0, 0), "list addresses"):
            _, prefix, _, _, index = _IFADDR.unpack_from(payload)
            given = attributes(payload[_IFADDR.size :])
            yield index, given.get(_IFA_LOCAL) or given[_IFA_ADDRESS], prefix

    def routes(self) -> list[tuple[int, IPv4Network]]:
        """The IPv4 unicast destinations of all tables but the default route, each with its interface's index (or 0)."""
        return [
            (index, IPv4Network((destination, prefix), strict=False))
            for index, destination, prefix in self._destinations(socket.AF_INET)
        ]

    def routes6(self) -> list[tuple[int, IPv6Network]]:
        """As ``routes``, of IPv6."""
        return [
            (index, IPv6Network((destination, prefix), strict=False))
            for index, destination, prefix in self._destinations(socket.AF_INET6)
        ]

    def _destinations(self, family: int) -> list[tuple[int, bytes, int]]:
        found = []
        for payload in self.dump(_GETROUTE, _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), "list routes"):
            of, prefix, _, _, _, _, _, kind, _ = _RTMSG.unpack_from(payload)
            given = attributes(payload[_RTMSG.size :])
            # A kernel without IPv6 answers with the routes of IPv4.
            if of == family and kind == _RTN_UNICAST and prefix and _RTA_DST in given:
                found.append((_UINT.unpack(given.get(_RTA_OIF, bytes(4)))[0], given[_RTA_DST], prefix))
        return found


def _port_option(name: str, option: int, value: int) -> bytes:
    data = nested(_IFLA_INFO_SLAVE_DATA, attribute(option, bytes([value])))
    return _NO_INDEX + text(_IFLA_IFNAME, name) + nested(_IFLA_LINKINFO, text(_IFLA_INFO_SLAVE_KIND, "bridge"), data)


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def _link(payload: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(payload)
    given = attributes(payload[_IFINFO.size :])
    info = attributes(given.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=given[_IFLA_IFNAME].rstrip(b"\0").decode(),
        kind=info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode(),
        master=_UINT.unpack(given.get(_IFLA_MASTER, bytes(4)))[0],
        up=bool(flags & _IFF_UP),
        mac=given.get(_IFLA_ADDRESS, b"").hex(":"),
    )
