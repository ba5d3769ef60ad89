"""The options of a bridge network: Docker's names and words."""

import pytest

from havre.errors import HavreError, InvalidParameter, SystemFault
from havre.network.drivers.bridge_options import BridgeOptions, read
from havre.network.settings import NetworkSettings

SETTINGS = NetworkSettings(mtu=1450, host_ip="192.0.2.1")
BRIDGE = "com.docker.network.bridge."


def test_defaults_are_the_daemons() -> None:
    assert read({"foo": "bar"}, SETTINGS, False) == BridgeOptions(1450, True, True, "192.0.2.1")


def test_all_of_them() -> None:
    given = {
        f"{BRIDGE}name": "br-own",
        f"{BRIDGE}enable_icc": "f",
        f"{BRIDGE}enable_ip_masquerade": "False",
        f"{BRIDGE}host_binding_ipv4": "127.0.0.1",
        f"{BRIDGE}gateway_mode_ipv4": "isolated",
        "com.docker.network.driver.mtu": "9000",
        "com.docker.network.container_iface_prefix": "net",
    }
    assert read(given, SETTINGS, True) == BridgeOptions(9000, False, False, "127.0.0.1", "br-own", "net", True)


def test_gateway_modes() -> None:
    given = {
        f"{BRIDGE}gateway_mode_ipv4": "routed",
        f"{BRIDGE}gateway_mode_ipv6": "nat-unprotected",
        f"{BRIDGE}trusted_host_interfaces": "eth0:vxlan.1::eth0",
    }
    found = read(given, SETTINGS, False)
    assert (found.mode, found.mode6, found.trusted) == ("routed", "nat-unprotected", ("eth0", "vxlan.1"))


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        (
            f"{BRIDGE}enable_icc",
            "maybe",
            InvalidParameter,
            'maybe (strconv.ParseBool: parsing "maybe": invalid syntax)',
        ),
        ("com.docker.network.driver.mtu", "x", InvalidParameter, 'x (strconv.Atoi: parsing "x": invalid syntax)'),
        ("com.docker.network.driver.mtu", "-1", InvalidParameter, "invalid MTU number: -1"),
        ("com.docker.network.driver.mtu", "67", InvalidParameter, "invalid MTU number: 67"),
        (f"{BRIDGE}name", "much-too-long-for-a-name", InvalidParameter, "invalid bridge name"),
        (f"{BRIDGE}host_binding_ipv4", "x", InvalidParameter, "value: x (nil ip)"),
        (f"{BRIDGE}gateway_mode_ipv4", "x", InvalidParameter, "value: x (unknown gateway mode x)"),
        (f"{BRIDGE}gateway_mode_ipv6", "isolated", SystemFault, "can only be used for an internal network"),
        ("com.docker.network.host_ipv4", "fd00::1", InvalidParameter, "host_ipv4 value: fd00::1 (nil ip)"),
        ("com.docker.network.host_ipv6", "fe80::1%x", InvalidParameter, "host_ipv6 value: fe80::1%x (nil ip)"),
        (f"{BRIDGE}trusted_host_interfaces", 'eth0:"', InvalidParameter, "invalid interface name '\"'"),
        (f"{BRIDGE}trusted_host_interfaces", "eth*", InvalidParameter, "invalid interface name 'eth*'"),
        ("com.docker.network.container_iface_prefix", "a/b", InvalidParameter, "invalid interface prefix"),
    ],
)
def test_what_is_refused(name: str, value: str, error: type[HavreError], text: str) -> None:
    with pytest.raises(error) as caught:
        read({name: value}, SETTINGS, False)
    assert text in caught.value.message
