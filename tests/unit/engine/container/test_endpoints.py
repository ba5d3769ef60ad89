"""``NetworkingConfig`` of a create request."""

from typing import Any

import pytest

from havre.engine.container import endpoints
from havre.errors import HavreError, InvalidParameter
from havre.network.model import Network, Pool
from havre.wire.containers import ContainerConfig, EndpointIPAMConfig, EndpointSettings, HostConfig, NetworkingConfig

_SYSCTLS = "com.docker.network.endpoint.sysctls"


NETWORKS = {
    "bridge": Network("b", "bridge", "bridge", 1),
    "mine": Network("m" * 64, "mine", "bridge", 1, pools=(Pool("10.0.0.0/24", "10.0.0.1", asked=True),)),
}


def of(
    mode: str = "bridge", network: str = "", config: ContainerConfig | None = None, **settings: Any
) -> dict[str, EndpointSettings]:
    asked = NetworkingConfig(endpoints_config={network or mode: EndpointSettings(**settings)})
    return endpoints.of(config or ContainerConfig(), HostConfig(network_mode=mode), asked, NETWORKS.get)


def test_what_is_kept() -> None:
    found = of(driver_opts={"a": "b"}, links=["x:y"], gw_priority=3, mac_address="02:42:ac:11:00:02")
    assert (found["bridge"].driver_opts, found["bridge"].gw_priority) == ({"a": "b"}, 3)
    assert set(of("bridge", "default")) == {"bridge"}
    assert of("container:x", "bridge") == {} == of("none", "bridge", ContainerConfig(network_disabled=True))
    assert of(config=ContainerConfig(mac_address="02-42-ac-11-00-02"))["bridge"].mac_address == "02-42-ac-11-00-02"


@pytest.mark.parametrize("mac", ["zz", "02:42", "02:42-ac:11:00:02", "03:42:ac:11:00:02"])
def test_addresses_that_no_interface_can_have(mac: str) -> None:
    with pytest.raises(InvalidParameter, match=mac):
        of(mac_address=mac)


@pytest.mark.parametrize(
    ("mode", "settings", "error"),
    [
        ("bridge", {"aliases": ["x"]}, InvalidParameter),
        ("bridge", {"ipam_config": EndpointIPAMConfig(ipv4_address="192.0.2.1")}, InvalidParameter),
        ("host", {"mac_address": "02:42:ac:11:00:02"}, InvalidParameter),
        ("none", {"driver_opts": {_SYSCTLS: "net.ipv4.conf.IFNAME.x=1"}}, InvalidParameter),
        ("bridge", {"driver_opts": {_SYSCTLS: "kernel.x=1"}}, InvalidParameter),
        *(
            ("bridge", {"driver_opts": {"com.docker.network.endpoint.ifname": name}}, InvalidParameter)
            for name in ("x" * 16, "a/b", "a b", "lo", "..", "a%d", "a\0b", "é" * 8)
        ),
        ("mine", {"ipam_config": EndpointIPAMConfig(link_local_ips=["169.253.1.1"])}, InvalidParameter),
        ("mine", {"ipam_config": EndpointIPAMConfig(ipv4_address="10.0.0.256")}, InvalidParameter),
        ("mine", {"ipam_config": EndpointIPAMConfig(ipv4_address="10.0.1.2")}, InvalidParameter),
        ("mine", {"ipam_config": EndpointIPAMConfig(ipv6_address="fd00::2")}, InvalidParameter),
        ("mine", {"ipam_config": EndpointIPAMConfig(ipv6_address="fd00::2%x; flush ruleset")}, InvalidParameter),
        ("mine", {"ipam_config": EndpointIPAMConfig(link_local_ips=["fe80::1%x"])}, InvalidParameter),
        ("host", {"links": ["a:b"]}, InvalidParameter),
    ],
)
def test_what_is_refused(mode: str, settings: dict[str, Any], error: type[HavreError]) -> None:
    with pytest.raises(error):
        of(mode, **settings)


def test_several_networks() -> None:
    NETWORKS["m" * 64] = NETWORKS["mine"]
    asked = NetworkingConfig(endpoints_config={"m" * 64: EndpointSettings(aliases=["a"]), "bridge": None})
    found = endpoints.of(ContainerConfig(), HostConfig(network_mode="mine"), asked, NETWORKS.get)
    assert set(found) == {"mine", "bridge"} and found["mine"].aliases == ["a"]
    for mode in ("host", "none"):
        with pytest.raises(InvalidParameter, match="cannot be connected to"):
            endpoints.of(ContainerConfig(), HostConfig(network_mode=mode), asked, NETWORKS.get)
    for name in ("host", "none"):
        asked = NetworkingConfig(endpoints_config={name: None, "bridge": None})
        with pytest.raises(InvalidParameter, match="cannot be connected to"):
            endpoints.of(ContainerConfig(), HostConfig(network_mode="bridge"), asked, NETWORKS.get)


def test_kernel_parameters_of_the_interface() -> None:
    options = {_SYSCTLS: "net.ipv4.conf.IFNAME.x=1", "com.docker.network.endpoint.ifname": "wan0"}
    assert endpoints.sysctls(EndpointSettings(driver_opts=options)) == [("net/ipv4/conf/wan0/x", "1")]
    options = {_SYSCTLS: "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.IFNAME.delay=2"}
    assert endpoints.sysctls(EndpointSettings(driver_opts=options)) == [
        ("net/ipv4/conf/eth0/log_martians", "1"),
        ("net/ipv6/neigh/eth0/delay", "2"),
    ]
