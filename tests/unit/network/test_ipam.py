"""Addresses: free networks, leases in order and around, MAC addresses."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import Forbidden, InvalidParameter, Unavailable
from havre.network.ipam import (
    DEFAULT_POOLS,
    AddressPool,
    AnyAddress,
    BasePool,
    candidates,
    free_network,
    free_piece,
    local_pool,
    mac_of,
)


def pool(prefix: int = 29, cursor: int = 0) -> AddressPool:
    network = IPv4Network(f"10.0.0.0/{prefix}")
    return AddressPool(network, [network.network_address + 1], cursor)


def test_the_first_candidate_on_an_empty_host() -> None:
    assert free_network([]) == IPv4Network("172.29.0.0/16")


def test_overlaps_are_avoided_both_ways() -> None:
    assert free_network([IPv4Network("172.29.8.0/24")]) == IPv4Network("172.30.0.0/16")
    assert free_network([IPv4Network("172.16.0.0/12")]) == IPv4Network("192.168.192.0/24")


def test_all_candidates_taken() -> None:
    with pytest.raises(Unavailable, match="--bip"):
        free_network([IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")])


def test_candidates_are_private_and_apart() -> None:
    networks = list(candidates())
    assert all(network.is_private for network in networks)
    assert not [1 for i, one in enumerate(networks) for other in networks[:i] if one.overlaps(other)]


def test_leases_begin_behind_the_gateway() -> None:
    assert [str(pool().lease()) for _ in range(1)] == ["10.0.0.2"]


def test_a_returned_address_is_not_the_next_one() -> None:
    addresses = pool()
    first = addresses.lease()
    addresses.give_back(first)
    assert addresses.lease() == first + 1


def test_around_the_end() -> None:
    addresses = pool()
    leased = [addresses.lease() for _ in range(5)]
    assert [str(each) for each in leased] == [f"10.0.0.{number}" for number in range(2, 7)]
    addresses.give_back(leased[1])
    addresses.give_back(leased[3])
    assert addresses.lease() == leased[1]
    assert addresses.lease() == leased[3]
    with pytest.raises(Unavailable, match="no available IPv4 addresses"):
        addresses.lease()


def test_the_cursor_outlives_a_restart() -> None:
    before = pool()
    before.give_back(before.lease())
    assert pool(cursor=before.cursor).lease() == IPv4Address("10.0.0.3")


def test_a_cursor_of_another_network_is_ignored() -> None:
    assert pool(cursor=int(IPv4Address("172.29.0.9"))).lease() == IPv4Address("10.0.0.2")


def test_taking_a_given_address() -> None:
    addresses = pool()
    addresses.take(IPv4Address("10.0.0.3"))
    assert [str(addresses.lease()) for _ in range(2)] == ["10.0.0.2", "10.0.0.4"]
    with pytest.raises(Forbidden, match="Address already in use"):
        addresses.take(IPv4Address("10.0.0.3"))
    for outside in ("10.0.0.0", "10.0.0.7", "10.0.1.2"):
        with pytest.raises(InvalidParameter, match="no configured subnet contains"):
            addresses.take(IPv4Address(outside))


@given(st.lists(st.integers(0, 9), max_size=60))
def test_never_twice(steps: list[int]) -> None:
    """Whatever is leased and returned in whatever order: no address is out twice, none is lost."""
    addresses, out = pool(28), list[AnyAddress]()
    for step in steps:
        if step < 6 and len(out) < 13:
            leased = addresses.lease()
            assert leased not in out
            out.append(leased)
        elif out:
            addresses.give_back(out.pop(step % len(out)))
    assert len(addresses) == len(out) + 1
    assert len({addresses.lease() for _ in range(13 - len(out))} | set(out)) == 13


def test_mac() -> None:
    assert mac_of(IPv4Address("172.29.0.10")) == "02:42:ac:1d:00:0a"


def test_pieces_of_pools() -> None:
    piece = free_piece(DEFAULT_POOLS, [IPv4Network("172.30.0.0/23"), IPv4Network("172.30.3.0/24")], 4)
    assert piece == IPv4Network("172.30.2.0/24")
    small = [BasePool(IPv4Network("10.0.0.0/30"), 31)]
    assert free_piece(small, [IPv4Network("10.0.0.0/31")], 4) == IPv4Network("10.0.0.2/31")
    with pytest.raises(InvalidParameter, match="fully subnetted"):
        free_piece(small, [IPv4Network("10.0.0.0/8")], 4)
    with pytest.raises(InvalidParameter, match="fully subnetted"):
        free_piece(small, [], 6)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(20, 27)), max_size=40))
def test_a_piece_is_free_and_the_first(busy: list[tuple[int, int]]) -> None:
    taken = [IPv4Network((f"10.9.{third}.0", prefix), strict=False) for third, prefix in busy]
    pieces = list(IPv4Network("10.9.0.0/16").subnets(new_prefix=24))
    free = [piece for piece in pieces if not any(piece.overlaps(other) for other in taken)]
    if free:
        assert free_piece([BasePool(IPv4Network("10.9.0.0/16"), 24)], taken, 4) == free[0]


def test_the_own_ipv6_range_is_always_the_same() -> None:
    own = local_pool("a")
    assert own == local_pool("a") != local_pool("b") and own.base.is_private and own.base.prefixlen == 48
    assert free_piece([own], [], 6) == next(own.base.subnets(new_prefix=64))


def test_leases_of_a_range_and_of_ipv6() -> None:
    network, part = IPv4Network("10.0.0.0/24"), IPv4Network("10.0.0.128/31")
    addresses = AddressPool(network, [], within=part)
    assert {str(addresses.lease()) for _ in range(2)} == {"10.0.0.128", "10.0.0.129"}
    with pytest.raises(Unavailable):
        addresses.lease()
    addresses.take(IPv4Address("10.0.0.5"))
    six = AddressPool(IPv6Network("fd00::/64"), [IPv6Address("fd00::1")])
    assert [str(six.lease()) for _ in range(2)] == ["fd00::2", "fd00::3"]
