"""What macvlan and ipvlan networks are told, and the interfaces below them."""

import pytest

from havre.errors import InvalidParameter
from havre.network.drivers import parents
from havre.network.drivers.parents import ParentOptions, read


def test_options() -> None:
    assert read("macvlan", {}) == ParentOptions("", "bridge")
    assert read("macvlan", {"parent": "eth0", "macvlan_mode": "vepa"}) == ParentOptions("eth0", "vepa")
    assert read("ipvlan", {"ipvlan_mode": "l3s", "ipvlan_flag": "vepa"}) == ParentOptions("", "l3s", "vepa")
    assert [read("ipvlan", {"ipvlan_mode": mode}).routed for mode in ("l2", "l3", "l3s")] == [False, True, True]


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("macvlan", {"parent": "lo"}, "loopback interface is not a valid macvlan parent link"),
        (
            "macvlan",
            {"macvlan_mode": "foo"},
            "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
        ),
        (
            "ipvlan",
            {"ipvlan_mode": "l9"},
            "requested ipvlan mode 'l9' is not valid, 'l2' mode is the ipvlan driver default",
        ),
        (
            "ipvlan",
            {"ipvlan_flag": "x"},
            "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default",
        ),
    ],
)
def test_options_that_are_none(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        read(driver, options)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope0", "invalid subinterface vlan name nope0, example formatting is eth0.10"),
        (
            "a.1.2",
            "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received a.1.2",
        ),
        ("a.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"),
        ("nope0.10", "-o parent interface was not found on the host: nope0"),
        ("lo.5000", "vlan id must be between 1-4094, received: 5000"),
    ],
)
def test_parents_that_cannot_be(name: str, words: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        parents.kind_to_make(name, False)
    assert str(refusal.value) == words


def test_parents_to_make() -> None:
    assert parents.kind_to_make("lo.10", False) == "vlan"
    assert parents.kind_to_make(parents.dummy_name("a" * 64, "ipvlan"), True) == "dummy"
