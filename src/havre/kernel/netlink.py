"""rtnetlink, hand-packed: links, addresses and routes of one network namespace. The network room comes in.

A ``Rtnetlink`` socket belongs for ever to the network namespace its thread was in when it was opened, so one process
configures many namespaces without entering them. Requests are values (bytes); ``execute`` sends any number of them in
one system call. Layouts are those of linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 16, 17, 18, 20, 22, 24, 26
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
_IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 28, 1, 2, 4, 5
_VETH_INFO_PEER, _IFLA_BRPORT_STATE, _IFLA_BRPORT_MODE = 1, 1, 4
_IFLA_AF_SPEC, _IFLA_INET6_ADDR_GEN_MODE = 26, 8
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_IFF_UP = 0x1
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, _RT_SCOPE_LINK = 254, 3, 0, 1, 253
_SOL_NETLINK, _NETLINK_EXT_ACK = 270, 11
_RECEIVE = 1 << 17

_NO_INDEX = _IFINFO.pack(0, 0, 0, 0, 0)  # the link is named by an attribute

LOOPBACK_INDEX = 1


class NetlinkError(OSError):
    """The kernel refused a request; ``errno`` is its reason, the text names the request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One rtnetlink message without header; ``what`` names it in errors, errnos in ``tolerate`` count as done."""

    kind: int
    flags: int
    body: bytes
    what: str
    tolerate: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel lists it; ``master`` is the index of its bridge, or 0; ``kind`` is "" for hardware."""

    index: int
    name: str
    kind: str
    master: int
    up: bool
    mac: str


def _attribute(kind: int, payload: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def _nested(kind: int, *attributes: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(attributes))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _port_option(name: str, option: int, value: int) -> bytes:
    slave = _nested(_IFLA_INFO_SLAVE_DATA, _attribute(option, bytes([value])))
    return (
        _NO_INDEX + _text(_IFLA_IFNAME, name) + _nested(_IFLA_LINKINFO, _text(_IFLA_INFO_SLAVE_KIND, "bridge"), slave)
    )


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def bridge_add(name: str, mac: str, mtu: int) -> Request:
    """Make the bridge ``name`` and bring it up; a fixed ``mac`` keeps it from changing with every port that joins."""
    body = (
        _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP)
        + _text(_IFLA_IFNAME, name)
        + _attribute(_IFLA_ADDRESS, _mac(mac))
        + _number(_IFLA_MTU, mtu)
        + _nested(_IFLA_LINKINFO, _text(_IFLA_INFO_KIND, "bridge"))
    )
    return Request(_NEWLINK, _CREATE | _EXCL, body, f"add bridge {name}")


def veth_add(name: str, bridge: int, peer: str, peer_mac: str, peer_netns: int, mtu: int) -> Request:
    """Make a veth pair, both down: ``name``, a port of ``bridge`` (index); ``peer`` in the namespace of that fd."""
    other = (
        _NO_INDEX
        + _text(_IFLA_IFNAME, peer)
        + _attribute(_IFLA_ADDRESS, _mac(peer_mac))
        + _number(_IFLA_MTU, mtu)
        + _number(_IFLA_NET_NS_FD, peer_netns)
    )
    data = _nested(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER | _NESTED, other))
    body = (
        _NO_INDEX
        + _text(_IFLA_IFNAME, name)
        + _number(_IFLA_MTU, mtu)
        + _number(_IFLA_MASTER, bridge)
        + _nested(_IFLA_LINKINFO, _text(_IFLA_INFO_KIND, "veth"), data)
    )
    return Request(_NEWLINK, _CREATE | _EXCL, body, f"add veth {name}")


def hairpin_on(name: str) -> Request:
    """Let the bridge send a frame back out of the port ``name`` it came in by."""
    return Request(_NEWLINK, 0, _port_option(name, _IFLA_BRPORT_MODE, 1), f"set hairpin mode of {name}")


def port_off(name: str) -> Request:
    """Stop all traffic of the bridge port ``name`` at once; one that is not there (any more) counts as stopped."""
    body = _port_option(name, _IFLA_BRPORT_STATE, 0)
    return Request(_NEWLINK, 0, body, f"stop bridge port {name}", frozenset({errno.ENODEV, errno.EINVAL}))


def no_link_local(name: str) -> Request:
    """Give the link no IPv6 address of its own making when it comes up; done already where there is no IPv6."""
    family = _nested(socket.AF_INET6, _attribute(_IFLA_INET6_ADDR_GEN_MODE, b"\x01"))
    body = _NO_INDEX + _text(_IFLA_IFNAME, name) + _nested(_IFLA_AF_SPEC, family)
    return Request(_NEWLINK, 0, body, f"disable IPv6 addresses of {name}", frozenset({errno.EAFNOSUPPORT}))


def link_up(link: str | int) -> Request:
    """Bring a link up, given its name or index."""
    if isinstance(link, int):
        body = _IFINFO.pack(0, 0, link, _IFF_UP, _IFF_UP)
    else:
        body = _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, link)
    return Request(_NEWLINK, 0, body, f"bring link {link} up")


def link_delete(name: str) -> Request:
    """Remove the link, and with one end of a veth pair the other; one that is not there counts as removed.

    The kernel waits until no CPU can be using it: about 14 ms.
    """
    return Request(_DELLINK, 0, _NO_INDEX + _text(_IFLA_IFNAME, name), f"delete link {name}", frozenset({errno.ENODEV}))


def address_add(index: int, address: IPv4Interface) -> Request:
    """Give the link the address, with the network's broadcast address; one it already has counts as given."""
    body = (
        _IFADDR.pack(socket.AF_INET, address.network.prefixlen, 0, _RT_SCOPE_UNIVERSE, index)
        + _attribute(_IFA_LOCAL, address.packed)
        + _attribute(_IFA_ADDRESS, address.packed)
        + _attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)
    )
    return Request(_NEWADDR, _CREATE | _EXCL, body, f"add address {address}", frozenset({errno.EEXIST}))


def default_route_add(index: int, gateway: IPv4Address) -> Request:
    body = (
        _RTMSG.pack(socket.AF_INET, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0)
        + _attribute(_RTA_GATEWAY, gateway.packed)
        + _number(_RTA_OIF, index)
    )
    return Request(_NEWROUTE, _CREATE | _EXCL, body, f"add default route via {gateway}")


class Rtnetlink:
    """A route socket of the namespace it was opened in. Blocking; one thread at a time; close it (or use ``with``)."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> "Rtnetlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def execute(self, *requests: Request) -> None:
        """Do all ``requests`` in order; a refused one does not stop the later ones. Raises the first refusal."""
        if not requests:
            return
        first = self._sequence + 1
        parts = []
        for request in requests:
            self._sequence += 1
            flags = _REQUEST | _ACK | request.flags
            parts.append(_HEADER.pack(_HEADER.size + len(request.body), request.kind, flags, self._sequence, 0))
            parts.append(request.body)
        self._socket.send(b"".join(parts))
        waiting, failure = len(requests), None
        while waiting:
            for kind, sequence, payload in _messages(self._socket.recv(_RECEIVE)):
                if kind != _NLMSG_ERROR or sequence < first:
                    continue
                waiting -= 1
                request = requests[sequence - first]
                code = -struct.unpack_from("=i", payload)[0]
                if code and code not in request.tolerate and failure is None:
                    failure = NetlinkError(code, f"{request.what}: {os.strerror(code)}{_reason(payload)}")
        if failure is not None:
            raise failure

    def links(self) -> list[Link]:
        """Every interface of the namespace."""
        return [_link(payload) for payload in self._dump(_GETLINK, _NO_INDEX)]

    def link(self, name: str) -> Link | None:
        """The interface called ``name``, or None."""
        self._sequence += 1
        body = _NO_INDEX + _text(_IFLA_IFNAME, name)
        header = _HEADER.pack(_HEADER.size + len(body), _GETLINK, _REQUEST, self._sequence, 0)
        self._socket.send(header + body)
        while True:
            for kind, sequence, payload in _messages(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if kind == _NEWLINK:
                    return _link(payload)
                code = -struct.unpack_from("=i", payload)[0]
                if code == errno.ENODEV:
                    return None
                raise NetlinkError(code, f"look up link {name}: {os.strerror(code)}")

    def addresses(self) -> list[tuple[int, IPv4Interface]]:
        """The IPv4 addresses of the namespace, each with its interface's index."""
        found = []
        for payload in self._dump(_GETADDR, _IFADDR.pack(socket.AF_INET, 0, 0, 0, 0)):
            _, prefix, _, _, index = _IFADDR.unpack_from(payload)
            attributes = _attributes(payload[_IFADDR.size :])
            packed = attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS]
            found.append((index, IPv4Interface((packed, prefix))))
        return found

    def routes(self) -> list[tuple[int, IPv4Network]]:
        """The IPv4 unicast destinations of all tables but the default route, each with its interface's index (or 0)."""
        found = []
        for payload in self._dump(_GETROUTE, _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)):
            _, prefix, _, _, _, _, _, route_type, _ = _RTMSG.unpack_from(payload)
            attributes = _attributes(payload[_RTMSG.size :])
            if route_type == _RTN_UNICAST and _RTA_DST in attributes and prefix:
                index = struct.unpack("=I", attributes.get(_RTA_OIF, b"\0\0\0\0"))[0]
                found.append((index, IPv4Network((attributes[_RTA_DST], prefix), strict=False)))
        return found

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, self._sequence, 0)
        self._socket.send(header + body)
        while True:
            for answer, sequence, payload in _messages(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if answer == _NLMSG_DONE:
                    return
                if answer == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise NetlinkError(code, f"list: {os.strerror(code)}")
                yield payload


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Split what was received into (kind, sequence, payload)."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _link(payload: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(payload)
    attributes = _attributes(payload[_IFINFO.size :])
    info = _attributes(attributes.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=attributes[_IFLA_IFNAME].rstrip(b"\0").decode(),
        kind=info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode(),
        master=struct.unpack("=I", attributes.get(_IFLA_MASTER, b"\0\0\0\0"))[0],
        up=bool(flags & _IFF_UP),
        mac=attributes.get(_IFLA_ADDRESS, b"").hex(":"),
    )


def _reason(payload: bytes) -> str:
    """The kernel's own sentence (extended acknowledgement), where it gives one."""
    # The failed request follows the error code, unless the kernel capped it; the attributes follow that.
    length = struct.unpack_from("=I", payload, 4)[0]
    message = _attributes(payload[4 + ((length + 3) & ~3) :]).get(1, b"")
    return f" ({message.rstrip(bytes(1)).decode(errors='replace')})" if message else ""
