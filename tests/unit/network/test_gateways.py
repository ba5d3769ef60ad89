"""Where a container goes out, and what its interfaces are called."""

from havre.network import gateways
from havre.network.model import Endpoint, EndpointRequest, Network, Pool, PortRequest, PublishedPort

WEB = (PublishedPort(80, "tcp", "0.0.0.0", 8080),)


def endpoint(name: str, priority: int = 0, gateway: str = "10.0.0.1", six: str = "", **more: object) -> Endpoint:
    return Endpoint(name, name, name, "c", gateway, ipv6_gateway=six, priority=priority, **more)  # type: ignore[arg-type]


def test_the_first_by_name_of_the_highest_priority() -> None:
    a, b, c = endpoint("a"), endpoint("b", 1), endpoint("c", 1)
    assert gateways.chosen([c, a, b], 4) is b
    assert gateways.chosen([a], 4) is a and gateways.chosen([], 4) is None


def test_who_has_no_gateway_is_none() -> None:
    inner, dual = endpoint("a", 9, ""), endpoint("z", six="fd00::1")
    assert gateways.chosen([inner, dual], 4) is dual is gateways.chosen([inner, dual], 6)
    assert gateways.chosen([inner], 4) is None and gateways.chosen([endpoint("a")], 6) is None


def test_interfaces_fill_the_gaps() -> None:
    there = [endpoint("a", interface="eth0"), endpoint("b", interface="eth2"), endpoint("c", interface="own")]
    assert gateways.interface("eth", there) == "eth1" and gateways.interface("net", there) == "net0"


def test_ports_are_published_once_and_where_the_route_leads() -> None:
    plain = Network("m", "m", "bridge", 1, pools=(Pool("10.0.0.0/24", "10.0.0.1"),))
    inner = Network("i", "i", "bridge", 1, pools=plain.pools, internal=True)
    asked = EndpointRequest(ports=(PortRequest(80),))
    assert gateways.publishes(plain, asked, []) and not gateways.publishes(inner, asked, [])
    assert not gateways.publishes(plain, asked, [endpoint("a")])
    assert gateways.publishes(plain, asked, [endpoint("z")]) and gateways.publishes(
        plain, asked, [endpoint("a", 0, "")]
    )
    assert not gateways.publishes(plain, asked, [endpoint("z", ports=WEB)])


def test_where_routes_lead_when_their_network_goes() -> None:
    a, b = endpoint("a", six="fd00::1", interface="eth0"), endpoint("b", gateway="10.0.1.1", interface="eth1")
    assert gateways.heirs([b], a) == [("eth1", "10.0.1.1")]
    assert gateways.heirs([a], b) == [] == gateways.heirs([], a)
    six = endpoint("c", gateway="", six="fd00:1::1", interface="eth2")
    assert gateways.heirs([b, six], a) == [("eth1", "10.0.1.1"), ("eth2", "fd00:1::1")]
