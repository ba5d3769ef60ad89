"""Netlink messages: attributes there and back, requests byte for byte, answers that are errors."""

import errno
import struct
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.kernel import netlink, rtnetlink
from havre.kernel.netlink import NetlinkError, attribute, attributes, nested


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40)))
def test_attributes_there_and_back(given_: dict[int, bytes]) -> None:
    packed = b"".join(attribute(kind, payload) for kind, payload in given_.items())
    assert len(packed) % 4 == 0
    assert attributes(packed) == given_
    assert attributes(nested(5, packed)) == {5: packed}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_crash(data: bytes) -> None:
    attributes(data)


def test_requests_byte_for_byte() -> None:
    """Packed by hand from the kernel headers, for a little-endian machine."""
    up = rtnetlink.link_up(7)
    assert (up.kind, up.body) == (16, bytes.fromhex("00000000 07000000 01000000 01000000"))
    address = rtnetlink.address_add(7, IPv4Interface("10.0.0.2/16"))
    assert address.body == bytes.fromhex("02100000 07000000 08000200 0a000002 08000100 0a000002 08000400 0a00ffff")
    route = rtnetlink.default_route_add(7, IPv4Address("10.0.0.1"))
    assert route.body == bytes.fromhex("02000000 fe030001 00000000 08000500 0a000001 08000400 07000000")


def test_veth_names_both_ends() -> None:
    body = rtnetlink.veth_add("veth0", 3, "eth0", "02:42:0a:00:00:02", 9, 1500).body
    outer = attributes(body[16:])
    assert outer[3] == b"veth0\0" and outer[10] == struct.pack("=I", 3)
    info = attributes(outer[18])
    assert info[1] == b"veth\0"
    peer = attributes(attributes(info[2])[1][16:])
    assert peer[3] == b"eth0\0" and peer[1] == bytes.fromhex("02420a000002") and peer[28] == struct.pack("=I", 9)


def test_refusals_name_the_request() -> None:
    with rtnetlink.Rtnetlink() as socket:
        assert socket.link("no-such-link0") is None
        with pytest.raises(NetlinkError, match="cannot bring link no-such-link0 up: No such device") as refusal:
            socket.execute(rtnetlink.link_up("no-such-link0"))
        assert refusal.value.errno in (errno.ENODEV, errno.EPERM)
        socket.execute()


def test_a_refusal_does_not_stop_later_requests_and_may_be_tolerated() -> None:
    tolerant = netlink.Request(17, 0, rtnetlink.link_delete("no-such-link0").body, "x", frozenset({errno.ENODEV}))
    with rtnetlink.Rtnetlink() as socket:
        socket.execute(tolerant, tolerant)
        assert socket.link("lo") is not None


def test_listings() -> None:
    with rtnetlink.Rtnetlink() as socket:
        loopback = socket.link("lo")
        assert loopback is not None and loopback.index == rtnetlink.LOOPBACK_INDEX
        assert loopback in socket.links()
        assert (1, IPv4Interface("127.0.0.1/8")) in socket.addresses()
        assert all(network.prefixlen for _, network in socket.routes())
