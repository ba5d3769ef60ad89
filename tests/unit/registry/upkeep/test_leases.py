"""Leases: what a client saw stays for a while."""

import pytest

from havre.registry.upkeep.leases import Leases


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_everything_is_leased_at_the_start_and_nothing_later() -> None:
    clock = Clock()
    leases = Leases(60, clock)
    assert leases.held("app", "sha256:1")
    clock.now += 60
    assert not leases.held("app", "sha256:1")


def test_a_lease_is_of_one_repository_and_ends() -> None:
    clock = Clock()
    leases = Leases(60, clock)
    clock.now += 100
    leases.take("app", "sha256:1")
    assert leases.held("app", "sha256:1")
    assert not leases.held("other", "sha256:1")
    clock.now += 59
    leases.take("app", "sha256:1")
    clock.now += 59
    assert leases.held("app", "sha256:1")
    clock.now += 1
    assert not leases.held("app", "sha256:1")


def test_ended_leases_take_no_memory() -> None:
    clock = Clock()
    leases = Leases(60, clock)
    for number in range(50_000):
        leases.take("app", str(number))
        clock.now += 1
    assert len(leases) < 10_000


def test_who_looks_in_vain_gets_no_lease() -> None:
    clock = Clock()
    leases = Leases(60, clock)
    clock.now += 60
    with leases.looking("app", "sha256:1"):
        assert leases.held("app", "sha256:1")
    assert leases.held("app", "sha256:1")
    with pytest.raises(KeyError), leases.looking("app", "sha256:2"):
        raise KeyError
    assert not leases.held("app", "sha256:2")
    assert len(leases) == 1
