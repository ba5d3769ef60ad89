"""Networks of the user's own, with real packets: who reaches whom on them, between them and from outside."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv6Network
from typing import Any

import pytest

from havre.errors import Conflict, Forbidden, HavreError, InvalidParameter
from havre.kernel import namespaces
from havre.kernel.rtnetlink import Rtnetlink
from havre.lib.ids import new_id
from havre.network.ipam import DEFAULT_POOLS, BasePool
from havre.network.model import Endpoint, EndpointRequest, Network, Pool, PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Container, Daemon, Lab, arrives, run

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
BRIDGE = "com.docker.network.bridge."


def network(name: str, *subnets: str, **more: Any) -> Network:
    pools = tuple(Pool(subnet, asked=True) for subnet in subnets)
    return Network(new_id(), name, "bridge", time.time_ns(), pools=pools, **more)


async def box(daemon: Daemon, *networks: str, **request: Any) -> Container:
    """A container on these networks; its endpoint is that on the first."""
    container_id = new_id()
    path = await daemon.networks.sandbox_create(container_id)
    for name in networks:
        await daemon.networks.connect(container_id, name, EndpointRequest(name="box", **request))
    return Container(container_id, path, on(daemon, container_id, networks[0]))


def on(daemon: Daemon, container_id: str, name: str) -> Endpoint:
    found = daemon.networks.get(name).id
    return next(each for each in daemon.networks.endpoints_of(container_id) if each.network_id == found)


def reaches(one: Container, address: str, port: int, patience: float = netlab.WAIT) -> bool:
    def attempt() -> bool:
        try:
            socket.create_connection((address, port), patience).close()
        except OSError:
            return False
        return True

    return one.inside(attempt)


def misses(one: Container, address: str, port: int) -> bool:
    return not reaches(one, address, port, netlab.REFUSED)


def default_route(one: Container, version: int = 4) -> str:
    return one.inside(lambda: run("ip", f"-{version}", "route", "show", "default")).strip()


@contextmanager
def six_outside(lab: Lab) -> Iterator[None]:
    """The wire to the machine outside carries IPv6 too."""
    lab.from_outside(lambda: run("ip", "addr", "add", "2001:db8::9/64", "dev", "wan1", "nodad"))
    run("ip", "addr", "add", "2001:db8::1/64", "dev", "wan0", "nodad")
    yield


async def test_networks_are_apart(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("a"))
        await daemon.networks.create(network("b"))
        one, two, far = await box(daemon, "a"), await box(daemon, "a"), await box(daemon, "b")
        plain = await box(daemon, "bridge")
        for target in (two, far, plain):
            with target.listen(80):
                address = target.endpoint.ip_address
                assert (reaches if target is two else misses)(one, address, 80)
                assert (reaches if target is plain else misses)(plain, address, 80)
                # The host itself reaches them all.
                socket.create_connection((address, 80), netlab.WAIT).close()
        both = await box(daemon, "a", "b")
        with both.listen(80):
            assert reaches(one, both.endpoint.ip_address, 80)
            assert reaches(far, on(daemon, both.id, "b").ip_address, 80)
            assert misses(far, both.endpoint.ip_address, 80)
        await daemon.remove(one, two, far, plain, both)
        for name in "ab":
            await daemon.networks.remove(daemon.networks.get(name))
        assert "br-" not in run("ip", "-br", "link")
        assert "br-" not in run("nft", "list", "ruleset")


async def test_out_and_in(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("a"))
        one, neighbour = await box(daemon, "a", ports=(WEB,)), await box(daemon, "a")
        outside = lab.from_outside(lambda: socket.create_server((OUTSIDE, 9000)))
        with outside:
            assert arrives(outside, one.connect(OUTSIDE, 9000)) == HOST, "it leaves under the host's address"
        with one.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE, "the client keeps its address"
            assert reaches(neighbour, HOST, 8080), "a neighbour takes the published port too"
        await daemon.remove(one, neighbour)


async def test_an_internal_network_leads_nowhere(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("in", internal=True))
        await daemon.networks.create(network("out"))
        one, two = await box(daemon, "in", ports=(WEB,)), await box(daemon, "in")
        assert (one.endpoint.gateway, one.endpoint.ports, default_route(one)) == ("", (), "")
        gateway = daemon.networks.get("in").gateway
        # Even one who makes himself a route gets no further.
        two.inside(lambda: run("ip", "route", "add", "default", "via", gateway))
        outside = lab.from_outside(lambda: socket.create_server((OUTSIDE, 9000)))
        with outside, one.listen(80):
            assert reaches(two, one.endpoint.ip_address, 80) and misses(two, OUTSIDE, 9000)
        far = await box(daemon, "out")
        with two.listen(80), far.listen(80):
            assert misses(far, two.endpoint.ip_address, 80) and misses(two, far.endpoint.ip_address, 80)
        await daemon.remove(one, two, far)


async def test_nor_does_it_over_ipv6(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        await daemon.networks.create(network("in", ipv6=True, internal=True))
        await daemon.networks.create(network("out", ipv6=True))
        one, two, far = await box(daemon, "in"), await box(daemon, "in"), await box(daemon, "out")
        gateway = daemon.networks.get("in").pools_of(6)[0].gateway
        assert (one.endpoint.ipv6_gateway, default_route(one, 6)) == ("", "")
        two.inside(lambda: run("ip", "-6", "route", "add", "default", "via", gateway))

        def serve() -> socket.socket:
            return socket.create_server(("::", 80), family=socket.AF_INET6)

        with six_outside(lab), lab.from_outside(serve), one.inside(serve), two.inside(serve), far.inside(serve):
            assert reaches(far, "2001:db8::9", 80) and misses(two, "2001:db8::9", 80)
            assert reaches(two, one.endpoint.ipv6_address, 80)
            assert misses(two, far.endpoint.ipv6_address, 80) and misses(far, two.endpoint.ipv6_address, 80)
        await daemon.remove(one, two, far)


async def test_options(lab: Lab) -> None:
    options = {
        f"{BRIDGE}name": "br-mine",
        f"{BRIDGE}enable_icc": "false",
        f"{BRIDGE}enable_ip_masquerade": "0",
        f"{BRIDGE}host_binding_ipv4": "127.0.0.1",
        "com.docker.network.driver.mtu": "1400",
        "com.docker.network.container_iface_prefix": "net",
    }
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("a", "10.5.0.0/24", options=options))
        one, two = await box(daemon, "a", ports=(WEB,)), await box(daemon, "a")
        assert one.endpoint.ports[0].host_ip == "127.0.0.1"
        assert "net0" in one.inside(lambda: run("ip", "link")) and "mtu 1400" in run("ip", "link", "show", "br-mine")
        with one.listen(80):
            assert misses(two, one.endpoint.ip_address, 80), "neighbours do not speak to each other"
            socket.create_connection(("127.0.0.1", 8080), netlab.WAIT).close()
        lab.from_outside(lambda: run("ip", "route", "add", "10.5.0.0/24", "via", HOST))
        with lab.from_outside(lambda: socket.create_server((OUTSIDE, 9000))) as outside:
            assert arrives(outside, one.connect(OUTSIDE, 9000)) == one.endpoint.ip_address
        await daemon.remove(one, two)


async def test_the_address_that_goes_out(lab: Lab) -> None:
    run("ip", "addr", "add", "198.51.100.7/24", "dev", "wan0")
    options = {"com.docker.network.host_ipv4": "198.51.100.7"}
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("a", options=options))
        one = await box(daemon, "a")
        with lab.from_outside(lambda: socket.create_server((OUTSIDE, 9000))) as outside:
            assert arrives(outside, one.connect(OUTSIDE, 9000)) == "198.51.100.7"
        await daemon.remove(one)


async def test_a_bridge_without_an_address(lab: Lab) -> None:
    options = {f"{BRIDGE}gateway_mode_ipv4": "isolated"}
    async with netlab.daemon(lab.layout()) as daemon:
        with pytest.raises(HavreError, match="can only be used for an internal network"):
            await daemon.networks.create(network("a", options=options))
        made = await daemon.networks.create(network("a", "10.5.0.0/24", options=options, internal=True))
        assert "inet " not in run("ip", "addr", "show", made.interface)
        one, two = await box(daemon, "a"), await box(daemon, "a")
        assert one.endpoint.ip_address == "10.5.0.1"
        with one.listen(80):
            assert reaches(two, "10.5.0.1", 80)
        await daemon.remove(one, two)


async def test_both_versions(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        with six_outside(lab):
            made = await daemon.networks.create(network("a", ipv6=True))
            await daemon.networks.create(network("six", "fd00:6::/64", ipv4=False, ipv6=True))
            one, two, only = await box(daemon, "a"), await box(daemon, "a"), await box(daemon, "six", ipv6="fd00:6::77")
            assert one.endpoint.ipv6_address.startswith("fd") and made.pools[1].subnet.endswith("::/64")
            assert (only.endpoint.ip_address, only.endpoint.ipv6_address) == ("", "fd00:6::77")
            with one.inside(lambda: socket.create_server(("::", 80), family=socket.AF_INET6)):
                assert reaches(two, one.endpoint.ipv6_address, 80) and misses(only, one.endpoint.ipv6_address, 80)
                socket.create_connection((one.endpoint.ipv6_address, 80), netlab.WAIT).close()
            server = lab.from_outside(lambda: socket.create_server(("2001:db8::9", 9000), family=socket.AF_INET6))
            with server:
                for each in (one, only):
                    assert arrives(server, each.connect("2001:db8::9", 9000)) == "2001:db8::1"
            # Nobody comes in from outside.
            lab.from_outside(lambda: run("ip", "-6", "route", "add", "fd00::/8", "via", "2001:db8::1"))
            with only.inside(lambda: socket.create_server(("::", 80), family=socket.AF_INET6)), pytest.raises(OSError):
                target = ("fd00:6::77", 80)
                lab.from_outside(lambda: socket.create_connection(target, netlab.REFUSED))
            await daemon.remove(one, two, only)


async def test_where_a_container_goes_out(lab: Lab) -> None:
    """The default route, and the published ports with it, follow priorities and what is connected."""
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        for name in ("m", "z"):
            await daemon.networks.create(network(name, ipv6=True))
        await daemon.networks.create(network("in", internal=True))
        one = await box(daemon, "in", "z", ports=(WEB,))
        networks = daemon.networks
        assert default_route(one).split()[2] == networks.get("z").gateway
        with one.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            await networks.connect(one.id, "m", EndpointRequest(name="box"))
            assert default_route(one).split()[2] == networks.get("m").gateway, "the first by name"
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            assert [len(on(daemon, one.id, name).ports) for name in ("in", "m", "z")] == [0, 2, 0]
            await networks.connect(one.id, "bridge", EndpointRequest(name="box", priority=5))
            assert default_route(one).split()[2:5:2] == [networks.get("bridge").gateway, "eth3"]
            assert networks.get("m").pools[1].gateway in default_route(one, 6), "the default bridge has no IPv6"
            assert [[port.host_ip for port in on(daemon, one.id, name).ports] for name in ("bridge", "m")] == [
                ["0.0.0.0"],
                ["::"],
            ]
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            for left in ("bridge", "m"):
                await networks.disconnect(one.id, left)
            assert default_route(one).split()[2] == networks.get("z").gateway
            assert networks.get("z").pools[1].gateway in default_route(one, 6)
            assert [link.name for link in namespaces.enter(one.sandbox, Rtnetlink).links()] == ["lo", "eth0", "eth1"]
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            await networks.disconnect(one.id, "z")
            assert default_route(one) == "" == default_route(one, 6)
            await networks.connect(one.id, "m", EndpointRequest(name="box", ports=(WEB,)))
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE, "the port was given back, and is taken again"
        await daemon.remove(one)


async def test_a_container_that_keeps_its_route_from_leading_elsewhere(lab: Lab) -> None:
    """It may have taken its own addresses away: that is no reason to stay on a network."""
    async with netlab.daemon(lab.layout()) as daemon:
        for name in ("a", "b"):
            await daemon.networks.create(network(name))
        one = await box(daemon, "a", "b")
        one.inside(lambda: run("ip", "addr", "flush", "dev", on(daemon, one.id, "b").interface))
        await daemon.networks.disconnect(one.id, "a")
        assert [each.network_name for each in daemon.networks.endpoints_of(one.id)] == ["b"]
        assert default_route(one) == "" and "eth0" not in one.inside(lambda: run("ip", "-br", "link"))
        await daemon.remove(one)


async def test_addresses(lab: Lab) -> None:
    pool = Pool("10.5.0.0/24", "10.5.0.9", "10.5.0.128/30", {"printer": "10.5.0.129"}, asked=True)
    async with netlab.daemon(lab.layout()) as daemon:
        made = Network(new_id(), "a", "bridge", 1, pools=(pool,))
        await daemon.networks.create(made)
        boxes = [await box(daemon, "a") for _ in range(3)]
        assert [one.endpoint.ip_address for one in boxes] == ["10.5.0.128", "10.5.0.130", "10.5.0.131"]
        with pytest.raises(HavreError, match="no available IPv4 addresses"):
            await box(daemon, "a")
        own = await box(daemon, "a", ipv4="10.5.0.5", mac="02:00:00:00:00:07", link_local=("169.254.8.8",))
        assert (own.endpoint.ip_address, own.endpoint.mac) == ("10.5.0.5", "02:00:00:00:00:07")
        assert "169.254.8.8/16" in own.inside(lambda: run("ip", "addr"))
        await daemon.remove(own)
        own = await box(daemon, "a", ipv4="10.5.0.5")
        with own.listen(80):
            socket.create_connection(("10.5.0.5", 80), netlab.WAIT).close()
        await asyncio.sleep(0.5)
        for taken in ("10.5.0.5", "10.5.0.9", "10.5.0.129"):
            with pytest.raises(Forbidden, match="Address already in use"):
                await box(daemon, "a", ipv4=taken)
        with pytest.raises(Forbidden, match="Pool overlaps"):
            await daemon.networks.create(network("b", "10.5.0.128/25"))
        with pytest.raises(Conflict, match="network with name a already exists"):
            await daemon.networks.create(network("a"))
        with pytest.raises(Forbidden, match="has active endpoints"):
            await daemon.networks.remove(daemon.networks.get("a"))
        with pytest.raises(InvalidParameter, match="has an interface eth0 already"):
            await daemon.networks.connect(own.id, "bridge", EndpointRequest(interface="eth0"))
        for container_id in {each.container_id for each in daemon.networks.endpoints_on(made.id)}:
            await daemon.networks.sandbox_remove(container_id)


async def test_networks_of_the_host_are_avoided(lab: Lab) -> None:
    """Those it has addresses of, and those it has routes to: at create, and none but the pieces that overlap."""
    run("ip", "addr", "add", "172.30.0.9/26", "dev", "wan0")
    run("ip", "route", "add", "172.30.2.0/23", "via", OUTSIDE)
    run("ip", "-6", "route", "add", "fd00:7::/64", "dev", "wan0")
    pools_ = (*DEFAULT_POOLS, BasePool(IPv6Network("fd00:7::/62"), 64))
    async with netlab.daemon(lab.layout(), bip=IPv4Interface("10.9.0.1/24"), pools=pools_) as daemon:
        made = [await daemon.networks.create(network(name, ipv6=True)) for name in ("a", "b", "c")]
        assert [[pool.subnet for pool in each.pools] for each in made] == [
            ["172.30.1.0/24", "fd00:7:0:1::/64"],
            ["172.30.4.0/24", "fd00:7:0:2::/64"],
            ["172.30.5.0/24", "fd00:7:0:3::/64"],
        ]
        with pytest.raises(InvalidParameter, match="fully subnetted"):
            await daemon.networks.create(network("d", ipv6=True))
        assert [each.name for each in daemon.networks.all()] == ["bridge", "host", "none", "a", "b", "c"]


async def test_many_at_once(lab: Lab) -> None:
    """A hundred networks, none like another; fifty containers side by side on one, each with its own address."""
    async with netlab.daemon(lab.layout()) as daemon:
        made = await asyncio.gather(*(daemon.networks.create(network(f"n{number}")) for number in range(100)))
        subnets = {each.subnet for each in made}
        assert len(subnets) == 100 and all(subnet.endswith("/24") for subnet in subnets)
        boxes = await asyncio.gather(*(box(daemon, "n7", "n8") for _ in range(50)))
        for name in ("n7", "n8"):
            endpoints = daemon.networks.endpoints_on(daemon.networks.get(name).id)
            assert len({each.ip_address for each in endpoints}) == len({each.mac for each in endpoints}) == 50
        with boxes[0].listen(80):
            assert reaches(boxes[49], boxes[0].endpoint.ip_address, 80)
        await daemon.remove(*boxes)
        await asyncio.gather(*(daemon.networks.remove(each) for each in made))
        assert "br-" not in run("ip", "-br", "link")


async def test_a_restart_and_a_reboot(lab: Lab) -> None:
    layout = lab.layout()
    async with netlab.daemon(layout, seed="x") as first:
        made = [await first.networks.create(network(name, ipv6=True, labels={"a": "b"})) for name in ("a", "b")]
        one = await box(first, "a", "b", ports=(WEB,))
        endpoints = first.networks.endpoints_of(one.id)
    async with netlab.daemon(layout, live={one.id}, seed="x") as second:
        assert second.networks.all()[3:] == made and second.networks.endpoints_of(one.id) == endpoints
        two = await box(second, "a")
        with one.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            assert reaches(two, one.endpoint.ip_address, 80)
        await second.remove(one, two)
    assert "br-" not in run("ip", "-br", "link"), "nobody is there: the bridges go with the daemon"
    async with netlab.daemon(layout, seed="x") as third:
        assert third.networks.all()[3:] == made
        one, two = await box(third, "a"), await box(third, "a")
        with one.listen(80):
            assert reaches(two, one.endpoint.ip_address, 80)
        await third.remove(one, two)


async def test_a_network_that_cannot_be_set_up(lab: Lab) -> None:
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        made = await daemon.networks.create(network("a", options={f"{BRIDGE}name": "br-mine"}))
    run("ip", "link", "add", "br-mine", "type", "veth", "peer", "name", "other")
    async with netlab.daemon(layout) as daemon:
        with pytest.raises(HavreError, match="network a could not be set up"):
            await box(daemon, "a")
        await daemon.networks.create(network("b"))
        run("ip", "link", "delete", "br-mine")
        await daemon.networks.remove(made)
        assert "a" not in [each.name for each in daemon.networks.all()]


async def test_rules_that_somebody_flushes_come_back(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        await daemon.networks.create(network("a", ipv6=True))
        one = await box(daemon, "a", ports=(WEB,))
        before = run("nft", "list", "ruleset")
        run("nft", "flush", "ruleset")
        for _ in range(300):
            if run("nft", "list", "ruleset") == before:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the rules did not come back")
        with one.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        await daemon.remove(one)
