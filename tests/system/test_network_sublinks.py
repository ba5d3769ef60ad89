"""macvlan networks with real packets; and what is refused of ipvlan, VLANs and dummies on a kernel without them."""

import socket
from dataclasses import replace

import pytest

from havre.errors import Forbidden, HavreError, InvalidParameter, Unavailable
from havre.kernel import sublinks
from havre.kernel.rtnetlink import Rtnetlink
from havre.network.model import Network, PortRequest
from tests.system import netlab
from tests.system.netlab import Lab, arrives, run
from tests.system.test_network_own import box, default_route, misses, network, reaches, six_outside

lab = netlab.lab
LAN = "198.51.100.0/24"


def macvlan(name: str, *subnets: str, driver: str = "macvlan", **options: str) -> Network:
    made = network(name, *subnets, options=options)
    return Network(made.id, name, driver, made.created_ns, pools=made.pools, options=options)


def has(kind: str) -> bool:
    with Rtnetlink() as netlink:
        return sublinks.known(netlink, kind)


async def test_beside_the_host(lab: Lab) -> None:
    """Containers are neighbours of the machine outside, with addresses of its network, and out of the host's reach."""
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        await daemon.networks.create(macvlan("lan", LAN, parent="wan0"))
        web = PortRequest(80, host_port_start=8080, host_port_end=8080)
        one, two = await box(daemon, "lan", ipv4="198.51.100.50", ports=(web,)), await box(daemon, "lan", "bridge")
        assert one.endpoint.ports == () and one.endpoint.mac == "02:42:c6:33:64:32"
        with one.listen(80) as server:
            assert arrives(server, lab.reach("198.51.100.50", 80)) == netlab.OUTSIDE
            assert reaches(two, "198.51.100.50", 80)
        outside = lab.from_outside(lambda: netlab._server(9000))
        with outside:
            assert arrives(outside, one.connect(netlab.OUTSIDE, 9000)) == "198.51.100.50"
        await daemon.networks.disconnect(two.id, "lan")
        assert "eth0" not in two.inside(lambda: run("ip", "-br", "link"))
    async with netlab.daemon(layout, {one.id, two.id}) as daemon:
        with one.listen(80) as server:
            assert arrives(server, lab.reach("198.51.100.50", 80)) == netlab.OUTSIDE
        again = await box(daemon, "lan")
        assert again.endpoint.ip_address not in ("198.51.100.50", "")
        await daemon.remove(one, two, again)
        # Its address and its MAC are free at once.
        three = await box(daemon, "lan", ipv4="198.51.100.50")
        await daemon.remove(three)
    assert "wan0" in run("ip", "-br", "link"), "a parent that we did not make stays"


async def test_ipv6(lab: Lab) -> None:
    """A neighbour of the machine outside by IPv6 alone, and by both versions."""
    async with netlab.daemon(lab.layout()) as daemon:
        with six_outside(lab):
            six = network("six", "2001:db8::/64", ipv4=False, ipv6=True, options={"parent": "wan0"})
            await daemon.networks.create(replace(six, driver="macvlan"))
            one, two = await box(daemon, "six", ipv6="2001:db8::50"), await box(daemon, "six")
            assert one.endpoint.addresses == ("2001:db8::50",)
            assert default_route(one, 6).split()[2] == daemon.networks.get("six").pools[0].gateway
            with one.inside(lambda: socket.create_server(("::", 80), family=socket.AF_INET6)) as server:
                assert arrives(server, lab.reach("2001:db8::50", 80)) == "2001:db8::9"
                assert arrives(server, two.connect("2001:db8::50", 80)) == two.endpoint.ipv6_address
            await daemon.remove(one, two)


async def test_private(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(macvlan("lan", LAN, parent="wan0", macvlan_mode="private"))
        one, two = await box(daemon, "lan", ipv4="198.51.100.50"), await box(daemon, "lan", ipv4="198.51.100.51")
        with one.listen(80):
            assert misses(two, "198.51.100.50", 80)
            lab.reach("198.51.100.50", 80).close()
        await daemon.remove(one, two)


async def test_ports_stay_on_the_bridge(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(macvlan("a-lan", "10.7.0.0/24", parent="wan0"))
        one = await box(daemon, "bridge", "a-lan", ports=(PortRequest(80, "tcp", "127.0.0.1", 8080, 8080),))
        assert default_route(one).split()[2] == "10.7.0.1", "the first by name"
        with one.listen(80) as server:
            arrives(server, socket.create_connection(("127.0.0.1", 8080), netlab.WAIT))
        await daemon.remove(one)


async def test_what_is_refused(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(macvlan("lan", LAN, parent="wan0"))
        for wanted, error, words in (
            (macvlan("x", parent="lo"), InvalidParameter, "loopback interface is not a valid macvlan parent link"),
            (macvlan("x", parent="wan0", macvlan_mode="passthru"), Forbidden, "cannot use mode passthru, macvlan net"),
            (macvlan("x", parent="nope"), InvalidParameter, "invalid subinterface vlan name nope"),
        ):
            with pytest.raises(error, match=words):
                await daemon.networks.create(wanted)
        assert daemon.networks.find("x") is None
        for kind, wanted, option in (
            ("dummy", macvlan("x"), "CONFIG_DUMMY"),
            ("vlan", macvlan("x", parent="wan0.10"), "CONFIG_VLAN_8021Q"),
            ("ipvlan", macvlan("x", driver="ipvlan", parent="wan0"), "CONFIG_IPVLAN"),
        ):
            before = run("ip", "-br", "link")
            try:
                made = await daemon.networks.create(wanted)
            except HavreError as error:
                assert isinstance(error, Unavailable) and option in str(error) and not has(kind)
            else:
                await daemon.networks.remove(made)
            assert run("ip", "-br", "link") == before and daemon.networks.find("x") is None
