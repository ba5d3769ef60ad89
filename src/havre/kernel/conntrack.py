"""The kernel's table of connections: forget UDP flows that NAT would send the wrong way. The network room comes in.

A UDP "connection" lives as long as its client keeps sending. One that began before a port was published, or whose
container is gone, would for ever miss the new one: NAT looks at the first packet only. Layouts are those of
linux/netfilter/nfnetlink_conntrack.h.
"""

import errno
import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from havre.kernel.netlink import NetlinkSocket, Request, attribute, attributes, nested, number

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_GENERIC = struct.Struct("=BBH")
_TUPLE_ORIGINAL, _ID, _FILTER = 1, 12, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_PROTO_NUMBER, _PROTO_DESTINATION_PORT = 1, 3
# The family's number, and that of a destination's attribute.
_FAMILIES = ((socket.AF_INET, 2), (socket.AF_INET6, 4))
_FILTER_ORIGINAL_FLAGS, _FILTER_REPLY_FLAGS = 1, 2
_BY_PROTO_NUMBER, _BY_DESTINATION_PORT = 1 << 3, 1 << 5
_PORT = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class _Flow:
    family: int
    original: bytes
    identity: bytes
    port: int
    destination: IPv4Address | IPv6Address


def forget_udp(ports: Collection[int], concerns: Callable[[IPv4Address | IPv6Address], bool]) -> int:
    """Delete the flows sent to one of ``ports`` of an address ``concerns`` says yes to; returns how many. Blocks.

    Takes about 10 ms for each version of IP: the kernel walks its whole table. A kernel without this interface deletes
    none; its stale flows end when their clients pause (30 s to 2 min).
    """
    try:
        with NetlinkSocket(_NETLINK_NETFILTER) as netlink:
            found = [each for family, attribute in _FAMILIES for each in _flows(netlink, ports, family, attribute)]
            flows = [each for each in found if each.port in ports and concerns(each.destination)]
            netlink.execute(*(_deletion(each) for each in flows))
            return len(flows)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP):
            return 0
        raise


def _flows(netlink: NetlinkSocket, ports: Collection[int], family: int, destination_kind: int) -> list[_Flow]:
    """UDP flows, those to one port if ``ports`` is that one. Kernels before 5.8 do not filter and list everything."""
    flags = _BY_PROTO_NUMBER
    wanted = attribute(_PROTO_NUMBER, bytes([socket.IPPROTO_UDP]))
    if len(ports) == 1:
        flags |= _BY_DESTINATION_PORT
        wanted += attribute(_PROTO_DESTINATION_PORT, _PORT.pack(*ports))
    chosen = nested(_FILTER, number(_FILTER_ORIGINAL_FLAGS, flags), number(_FILTER_REPLY_FLAGS, 0))
    body = _GENERIC.pack(family, 0, 0) + nested(_TUPLE_ORIGINAL, nested(_TUPLE_PROTO, wanted)) + chosen
    found = []
    for payload in netlink.dump(_GET, body, "list connections"):
        given = attributes(payload[_GENERIC.size :])
        ends = attributes(given[_TUPLE_ORIGINAL])
        kind = attributes(ends[_TUPLE_PROTO])
        if kind[_PROTO_NUMBER][0] == socket.IPPROTO_UDP:
            port = _PORT.unpack(kind[_PROTO_DESTINATION_PORT])[0]
            destination = ip_address(attributes(ends[_TUPLE_IP])[destination_kind])
            found.append(_Flow(family, given[_TUPLE_ORIGINAL], given[_ID], port, destination))
    return found


def _deletion(flow: _Flow) -> Request:
    body = _GENERIC.pack(flow.family, 0, 0) + nested(_TUPLE_ORIGINAL, flow.original) + attribute(_ID, flow.identity)
    # It may have ended by itself meanwhile.
    return Request(_DELETE, 0, body, "delete a connection", frozenset({errno.ENOENT}))
