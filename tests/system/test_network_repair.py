"""What somebody else takes away of networks, and what comes back, with real packets."""

import pytest

from havre.network.model import EndpointRequest, PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, run
from tests.system.test_network_own import BRIDGE, box, default_route, misses, network, reaches

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)


async def test_repair(lab: Lab) -> None:
    """Whatever somebody else took away is made anew: rules, bridges, interfaces, and networks that failed at start."""
    layout = lab.layout()
    async with netlab.daemon(layout, seed="x", honest=True) as daemon:
        made = await daemon.networks.create(network("a", "10.5.0.0/24", ipv6=True))
        one, two = await box(daemon, "a", ports=(WEB,)), await box(daemon, "a")
        assert await daemon.networks.repairs.run() == []
        table = ("inet", "havre_havre0")
        for harm, told in (
            ((("nft", "flush", "chain", *table, f"arrive_{made.interface}"),), ("rules",)),
            ((("nft", "flush", "map", *table, "leaving6"),), ("rules",)),
            ((("nft", "flush", "map", *table, "published"),), ("rules",)),
            ((("ip", "link", "delete", made.interface),), ("bridge",)),
            ((("ip", "addr", "flush", "dev", made.interface),), ("bridge",)),
            ((("ip", "-6", "addr", "flush", "dev", made.interface, "scope", "global"),), ("bridge",)),
            ((("ip", "link", "set", one.endpoint.host_interface, "nomaster"),), ("bridge",)),
            ((("ip", "link", "delete", one.endpoint.host_interface),), ()),
        ):
            for command in harm:
                run(*command)
            (found,) = await daemon.networks.repairs.run()
            assert (found.network.name, found.mended, found.problem) == ("a", told, ""), harm
            assert found.containers == (() if told else (one.id,))
            assert await daemon.networks.repairs.run() == []
            with one.listen(80) as server:
                assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE, harm
                assert reaches(two, one.endpoint.ip_address, 80), harm
            assert default_route(one).split()[2] == "10.5.0.1"
        for harm in (("nft", "flush", "table", *table), ("nft", "delete", "element", *table, "open { tcp . 8080 }")):
            run(*harm)
            told = {(each.network.name, each.mended) for each in await daemon.networks.repairs.run()}
            assert told == {("bridge", ("rules",)), ("a", ("rules",))}, "it is part of no network in particular"
            assert await daemon.networks.repairs.run() == []
        await daemon.remove(one, two)
        await daemon.networks.create(network("b", options={f"{BRIDGE}name": "br-mine"}))
    run("ip", "link", "add", "br-mine", "type", "veth", "peer", "name", "other")
    async with netlab.daemon(layout, seed="x") as daemon:
        (found,) = await daemon.networks.repairs.run()
        assert found.network.name == "b" and "br-mine" in found.problem
        run("ip", "link", "delete", "br-mine")
        (found,) = await daemon.networks.repairs.run()
        assert (found.mended, found.problem) == (("network",), "")
        one = await box(daemon, "b")
        await daemon.remove(one)


async def test_cut_off_and_back(lab: Lab) -> None:
    """A connection is silent while one end is off the network, and goes on once that is back at its address."""
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("a", "10.5.0.0/24"))
        one, two = await box(daemon, "a"), await box(daemon, "a")
        before = two.endpoint
        with two.listen(80) as server:
            client = one.connect(before.ip_address, 80)
            far, _ = server.accept()
            with client, far:
                far.settimeout(netlab.REFUSED)
                await daemon.networks.disconnect(two.id, "a")
                client.sendall(b"lost?")
                with pytest.raises(TimeoutError):
                    far.recv(5)
                assert misses(one, before.ip_address, 80)
                again = EndpointRequest(name="box", ipv4=before.ip_address)
                after = await daemon.networks.connect(two.id, "a", again)
                assert (after.ip_address, after.mac) == (before.ip_address, before.mac)
                far.settimeout(30)
                assert far.recv(5) == b"lost?", "it is sent again"
                far.sendall(b"no")
                client.settimeout(30)
                assert client.recv(2) == b"no"
            assert reaches(one, before.ip_address, 80)
        await daemon.remove(one, two)
