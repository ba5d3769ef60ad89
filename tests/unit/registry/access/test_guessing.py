"""Guesses count together for all addresses that one attacker has."""

from havre.registry.access.guessing import Guessing


def test_another_address_of_the_same_network_gets_no_more_guesses() -> None:
    guessing = Guessing(lambda: 0.0)
    for number in range(30):
        guessing.failed(f"2001:db8:0:1::{number:x}", f"user{number}")
    assert guessing.wait("2001:db8:0:1:ffff::1", "another") > 0
    assert guessing.wait("2001:db8:0:2::1", "another") == 0


def test_addresses_of_ipv4_are_apart() -> None:
    guessing = Guessing(lambda: 0.0)
    for number in range(30):
        guessing.failed("192.0.2.1", f"user{number}")
    assert guessing.wait("192.0.2.1", "another") > 0
    assert guessing.wait("192.0.2.2", "another") == 0
