"""Links that ride on another: macvlan, ipvlan and VLANs, and the dummy that stands in for a parent. The network room
comes in.

Requests are values, as those of ``rtnetlink``. Layouts are those of linux/if_link.h.
"""

import errno
import struct

from havre.kernel.netlink import (
    CREATE,
    EXCLUSIVE,
    NetlinkError,
    NetlinkSocket,
    Request,
    attribute,
    nested,
    number,
    text,
)

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}

_NEWLINK = 16
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 5, 18, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFLA_VLAN_ID, _IFLA_MACVLAN_MODE, _IFLA_IPVLAN_MODE, _IFLA_IPVLAN_FLAGS = 1, 1, 1, 2
_HEADER = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
_SHORT = struct.Struct("=H")


def dummy_add(name: str) -> Request:
    """Make an interface that leads nowhere; one of that name counts as made."""
    return _add(name, "dummy", b"", b"", frozenset({errno.EEXIST}))


def vlan_add(name: str, parent: int, tag: int) -> Request:
    """Make the VLAN ``tag`` of the link ``parent`` (index); one of that name counts as made."""
    data = attribute(_IFLA_VLAN_ID, _SHORT.pack(tag))
    return _add(name, "vlan", number(_IFLA_LINK, parent), data, frozenset({errno.EEXIST}))


def macvlan_add(name: str, parent: int, netns: int, mode: str, mac: str) -> Request:
    """Make a macvlan of the link ``parent`` (index) in the namespace of the fd ``netns``, down."""
    place = (
        number(_IFLA_LINK, parent)
        + number(_IFLA_NET_NS_FD, netns)
        + attribute(_IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    )
    return _add(name, "macvlan", place, number(_IFLA_MACVLAN_MODE, MACVLAN_MODES[mode]))


def ipvlan_add(name: str, parent: int, netns: int, mode: str, flag: str) -> Request:
    """Make an ipvlan of the link ``parent`` (index) in the namespace of the fd ``netns``, down; it has its MAC."""
    place = number(_IFLA_LINK, parent) + number(_IFLA_NET_NS_FD, netns)
    data = attribute(_IFLA_IPVLAN_MODE, _SHORT.pack(IPVLAN_MODES[mode]))
    # Kernels before 4.15 know no flags.
    data += attribute(_IFLA_IPVLAN_FLAGS, _SHORT.pack(IPVLAN_FLAGS[flag])) if IPVLAN_FLAGS[flag] else b""
    return _add(name, "ipvlan", place, data)


def known(netlink: NetlinkSocket, kind: str) -> bool:
    """Whether this kernel can make links of ``kind``, one that rides on another; its module is loaded if it is one."""
    try:
        # Without a parent none is ever made.
        netlink.execute(_add("", kind, b"", b""))
    except NetlinkError as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def _add(name: str, kind: str, place: bytes, data: bytes, tolerate: frozenset[int] = frozenset()) -> Request:
    info = nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, kind), *((nested(_IFLA_INFO_DATA, data),) if data else ()))
    body = _HEADER + (text(_IFLA_IFNAME, name) if name else b"") + place + info
    return Request(_NEWLINK, CREATE | EXCLUSIVE, body, f"add {kind} {name}".rstrip(), tolerate)
