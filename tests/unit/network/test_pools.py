"""The subnets of a network, chosen or completed, and its leases."""

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from havre.errors import Forbidden, InvalidParameter
from havre.network.drivers import bridge_options
from havre.network.drivers.pools import Addresses, choose
from havre.network.ipam import BasePool
from havre.network.model import EndpointRequest, Network, Pool
from havre.network.settings import NetworkSettings


def chosen(*pools: Pool, settings: NetworkSettings | None = None, busy: Any = (), taken: Any = (), **more: Any) -> Any:
    network = Network("n", "n", "bridge", 1, pools=pools, **more)
    settings = settings or NetworkSettings(seed="x")
    options = bridge_options.read(network.options, settings, network.internal)
    return choose(network, settings, not options.isolated, busy, taken)


def test_nothing_is_asked_for() -> None:
    assert chosen() == (Pool("172.30.0.0/24", "172.30.0.1"),)
    (free,) = chosen(busy=[IPv4Network("172.30.0.0/24")], taken=["172.30.1.0/24", "fd00::/8"])
    assert free == Pool("172.30.2.0/24", "172.30.2.1")
    four, six = chosen(ipv6=True)
    assert four.version == 4 and six.version == 6 and six.gateway == f"{six.subnet.removesuffix('/64')}1"
    (only,) = chosen(ipv4=False, ipv6=True, taken=[six.subnet])
    assert only.version == 6 and only.subnet != six.subnet


def test_pools_of_the_daemon() -> None:
    settings = NetworkSettings(pools=(BasePool(IPv4Network("10.9.0.0/16"), 26),), seed="x")
    assert chosen(settings=settings) == (Pool("10.9.0.0/26", "10.9.0.1"),)
    assert chosen(settings=settings, ipv6=True)[1].subnet.startswith("fd"), "our own, if it names none of IPv6"
    own = NetworkSettings(pools=(*settings.pools, BasePool(IPv6Network("fd99::/48"), 64)))
    assert chosen(settings=own, ipv6=True)[1] == Pool("fd99::/64", "fd99::1")


def test_what_is_asked_for_is_completed() -> None:
    assert chosen(Pool("10.1.0.0/24", asked=True)) == (Pool("10.1.0.0/24", "10.1.0.1", asked=True),)
    ranged = Pool("10.1.0.0/24", "", "10.1.0.128/25", {"x": "10.1.0.128"})
    assert chosen(ranged)[0].gateway == "10.1.0.129"
    isolated = {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
    assert chosen(Pool("10.1.0.0/24"), options=isolated, internal=True)[0].gateway == ""


@pytest.mark.parametrize(
    ("pool", "error"),
    [
        (Pool("10.1.0.0/24", "10.1.0.0"), InvalidParameter),
        (Pool("10.1.0.0/24", "10.1.0.255"), InvalidParameter),
        (Pool("10.1.0.0/24", "10.1.0.1", aux={"x": "10.1.0.1"}), Forbidden),
    ],
)
def test_gateways_that_cannot_be(pool: Pool, error: type[Exception]) -> None:
    with pytest.raises(error):
        chosen(pool)


def test_leases_are_of_both_or_none() -> None:
    pools = (Pool("10.1.0.0/30", "10.1.0.1"), Pool("fd00::/64", "fd00::1"))
    addresses = Addresses(Network("n", "n", "bridge", 1, pools=pools), 0)
    with pytest.raises(Forbidden):
        addresses.lease(EndpointRequest(ipv6="fd00::1"))
    assert addresses.lease(EndpointRequest(ipv6="fd00:0::9")) == ("10.1.0.2", "fd00::9")
    addresses.give_back("10.1.0.2", "fd00::9")
    addresses.take("fd00::9")
    assert addresses.lease(EndpointRequest()) == ("10.1.0.2", "fd00::2")
