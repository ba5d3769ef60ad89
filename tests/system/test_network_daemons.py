"""Many at once: containers that start together, daemons side by side, ports that others want too."""

import asyncio
import socket
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from havre.errors import Conflict, InvalidParameter, SystemFault, Unavailable
from havre.network.model import PortRequest, PublishedPort
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, run
from tests.system.test_network_recovery import elements, until_no_ports

lab = netlab.lab
ANY_PORT = PortRequest(80)


async def test_twenty_at_once(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        boxes = await asyncio.gather(*(daemon.container(ANY_PORT) for _ in range(20)))
        ports = {box.endpoint.ports[0].host_port for box in boxes}
        assert len(ports) == 20 == len(elements())
        assert len({box.endpoint.ip_address for box in boxes}) == 20
        for box in boxes:
            with box.listen(80) as server:
                assert arrives(server, lab.reach(HOST, box.endpoint.ports[0].host_port)) == OUTSIDE
        await daemon.remove(*boxes)
        assert elements() == []
        await until_no_ports("havre0")


async def test_daemons_started_together_choose_different_networks(lab: Lab) -> None:
    names = [f"havre{number}" for number in range(4)]

    async def serve(name: str, ready: asyncio.Barrier) -> str:
        async with netlab.daemon(lab.layout(), bridge_name=name) as daemon:
            await ready.wait()
            return daemon.networks.get("bridge").subnet

    ready = asyncio.Barrier(len(names))
    subnets = await asyncio.gather(*(serve(name, ready) for name in names))
    assert len(set(subnets)) == len(names)


async def test_daemons_side_by_side(lab: Lab) -> None:
    async with (
        netlab.daemon(lab.layout(), bridge_name="havre0") as one,
        netlab.daemon(lab.layout(), bridge_name="havre1") as two,
    ):
        first = await one.container(PortRequest(80, host_port_start=8080, host_port_end=8080))
        with pytest.raises(SystemFault, match="address already in use"):
            await two.container(PortRequest(80, host_port_start=8080, host_port_end=8080))
        second = await two.container(PortRequest(80, host_port_start=8081, host_port_end=8081))
        with first.listen(80) as server, second.listen(80) as other:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            assert arrives(other, lab.reach(HOST, 8081)) == OUTSIDE
            # From one daemon's container to the other's: through what is published, and no other way.
            assert arrives(server, second.connect(HOST, 8080)) == one.networks.get("bridge").gateway
            with pytest.raises(TimeoutError):
                address = (first.endpoint.ip_address, 80)
                second.inside(lambda: socket.create_connection(address, netlab.REFUSED))
        await one.remove(first)
        with second.listen(80) as other:
            assert arrives(other, lab.reach(HOST, 8081)) == OUTSIDE
        await two.remove(second)


async def test_one_daemon_a_bridge(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(PortRequest(80, host_port_start=8080, host_port_end=8080))
        with pytest.raises(Conflict, match="the bridge havre0 is another havred's"):
            async with netlab.daemon(lab.layout()):
                pass
        with box.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        await daemon.remove(box)


async def test_a_bridge_of_the_users_own(lab: Lab) -> None:
    run("ip", "link", "add", "br-lan", "type", "bridge")
    run("ip", "addr", "add", "10.9.8.1/24", "dev", "br-lan")
    async with netlab.daemon(lab.layout(), bridge_name="br-lan") as daemon:
        box = await daemon.container()
        assert box.endpoint.gateway == "10.9.8.1" and box.endpoint.ip_address == "10.9.8.2"
        await daemon.remove(box)
        await until_no_ports("br-lan")
        assert run("sysctl", "-n", "net.ipv4.conf.br-lan.route_localnet") == "1\n"
    assert run("sysctl", "-n", "net.ipv4.conf.br-lan.route_localnet") == "0\n"
    assert "10.9.8.1/24" in run("ip", "-br", "addr", "show", "dev", "br-lan"), "it stays when the daemon stops"


async def test_a_bridge_whose_data_root_is_lost(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(PortRequest(80, host_port_start=8080, host_port_end=8080))
    async with netlab.daemon(lab.layout()) as daemon:
        assert elements() == []
        assert daemon.networks.get("bridge").gateway == box.endpoint.gateway
    assert "havre0" not in run("ip", "-br", "link")


async def test_other_name_and_address_at_the_next_start(lab: Lab) -> None:
    layout = lab.layout()
    async with netlab.daemon(layout):
        pass
    async with netlab.daemon(layout, bip=IPv4Interface("10.45.0.1/24")):
        assert "10.45.0.1/24" in run("ip", "-br", "addr", "show", "dev", "havre0")
        with pytest.raises(Conflict):
            async with netlab.daemon(lab.layout()):
                pass
    async with netlab.daemon(layout, bridge_name="havre7", bip=IPv4Interface("10.44.0.1/24")) as daemon:
        assert daemon.networks.get("bridge").subnet == "10.44.0.0/24"
        box = await daemon.container()
        assert box.endpoint.ip_address == "10.44.0.2"
    async with netlab.daemon(layout, live={box.id}) as daemon:
        assert daemon.networks.get("bridge").interface == "havre7", "kept while a container is on it"
        await daemon.remove(box)
    async with netlab.daemon(layout) as daemon:
        assert daemon.networks.get("bridge").interface == "havre0"
        assert "havre7" not in run("ip", "-br", "link") and "havre7" not in run("nft", "list", "tables")


async def test_a_bip_that_cannot_be(lab: Lab) -> None:
    for wrong in ("10.0.0.0/24", "10.0.0.255/24", "10.0.0.1/31"):
        with pytest.raises(InvalidParameter, match="invalid --bip"):
            async with netlab.daemon(lab.layout(), bip=IPv4Interface(wrong)):
                pass


async def test_a_mac_address_of_the_users_own(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(mac="02:00:00:00:00:99")
        assert "02:00:00:00:00:99" in box.inside(lambda: run("ip", "link", "show", "eth0"))
        await daemon.remove(box)
        with pytest.raises(InvalidParameter, match="invalid MAC address: odd"):
            await daemon.container(mac="odd")
        with pytest.raises(SystemFault, match="failed to create endpoint box on network bridge: cannot add veth"):
            await daemon.container(mac="01:00:5e:00:00:01")
        assert elements() == []


async def test_the_firewall_of_another_is_named(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """dockerd sets the policy of FORWARD to drop; an accept of ours cannot overrule it."""
    path = lab.root / "docker.nft"
    path.write_text("table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; policy drop\n }\n}\n")
    run("nft", "-f", str(path))
    async with netlab.daemon(lab.layout()):
        assert "chain FORWARD of table ip filter drops forwarded packets by default" in caplog.text


async def test_networks_of_the_host_are_avoided(lab: Lab) -> None:
    run("ip", "addr", "add", "172.29.77.1/24", "dev", "wan0")
    run("ip", "route", "add", "172.30.0.0/15", "via", OUTSIDE)
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        assert daemon.networks.get("bridge").subnet == "172.18.0.0/16"
    run("ip", "route", "add", "172.18.5.0/24", "via", OUTSIDE)
    async with netlab.daemon(layout) as daemon:
        assert daemon.networks.get("bridge").subnet == "172.19.0.0/16", "a VPN came up meanwhile"


async def test_ports_of_the_hosts_programs(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        with socket.create_server(("127.0.0.1", 8080)):
            with pytest.raises(SystemFault) as refusal:
                await daemon.container(PortRequest(80, "tcp", "", 8080, 8080), name="web")
            text = str(refusal.value)
            assert text.startswith("driver failed programming external connectivity on endpoint web (")
            assert (
                text.endswith("/tcp: address already in use") and "failed to bind host port for 0.0.0.0:8080:" in text
            )
        with pytest.raises(SystemFault, match="cannot assign requested address"):
            await daemon.container(PortRequest(80, "tcp", "203.0.113.7", 8080, 8080))
        assert list(Path(daemon.layout.netns).iterdir()) == []
        box = await daemon.container(PortRequest(80, "tcp", "", 8080, 8080))
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("0.0.0.0", 8080))
        await daemon.remove(box)
        socket.create_server(("0.0.0.0", 8080)).close()


async def test_sctp_where_the_kernel_has_none(lab: Lab) -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        async with netlab.daemon(lab.layout()) as daemon:
            with pytest.raises(Unavailable, match="kernel has no sctp"):
                await daemon.container(PortRequest(80, "sctp"))
    else:
        async with netlab.daemon(lab.layout()) as daemon:
            box = await daemon.container(PortRequest(80, "sctp", "", 8080, 8080))
            assert box.endpoint.ports == (PublishedPort(80, "sctp", "0.0.0.0", 8080),)
            await daemon.remove(box)
