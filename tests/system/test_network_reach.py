"""From where a published port is reached, and what address the container sees: outside, host, neighbours, itself."""

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from havre.kernel.namespaces import write_sysctl
from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import (
    HOST,
    OUTSIDE,
    Container,
    Daemon,
    Lab,
    arrives,
    datagram_arrives,
    datagram_socket,
    run,
)

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
ECHO = PortRequest(53, "udp", host_port_start=5353, host_port_end=5353)


@pytest.fixture(params=["0", "1"], ids=["plain-bridge", "bridge-netfilter"])
async def daemon(lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Daemon]:
    """With and without the kernel passing bridged frames through the IP hooks (br_netfilter): both must work."""
    write_sysctl("net/bridge/bridge-nf-call-iptables", request.param)
    async with netlab.daemon(lab.layout()) as daemon:
        yield daemon


def from_host(address: str) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection((address, 8080), netlab.WAIT)


async def test_tcp_from_outside_keeps_its_address(lab: Lab, daemon: Daemon) -> None:
    box = await daemon.container(WEB)
    with box.listen(80) as server:
        assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE


async def test_tcp_from_the_host(daemon: Daemon) -> None:
    box = await daemon.container(WEB)
    gateway = box.endpoint.gateway
    with box.listen(80) as server:
        # The loopback's address would mean the container itself, so there the bridge speaks for it.
        assert arrives(server, from_host("127.0.0.1")()) == gateway
        assert arrives(server, from_host("127.8.8.8")()) == gateway
        assert arrives(server, from_host(HOST)()) == HOST
        assert arrives(server, from_host(gateway)()) == gateway


async def test_tcp_from_a_neighbour_and_from_itself(daemon: Daemon) -> None:
    box, neighbour = await daemon.container(WEB), await daemon.container()
    with box.listen(80) as server:
        for address in (HOST, box.endpoint.gateway):
            # Answers must pass the host again to be translated back, so it has to be the host that asks.
            assert arrives(server, neighbour.connect(address, 8080)) == box.endpoint.gateway
            assert arrives(server, box.connect(address, 8080)) == box.endpoint.gateway
        assert arrives(server, neighbour.connect(box.endpoint.ip_address, 80)) == neighbour.endpoint.ip_address


async def test_neighbours_are_not_told_a_shorter_way(daemon: Daemon) -> None:
    """An ICMP redirect, due for a packet that leaves as it came, would let the next one miss NAT; NAT keeps it back."""
    box, neighbour = await daemon.container(WEB), await daemon.container()
    with box.listen(80) as server:
        for _ in range(3):
            arrives(server, neighbour.connect(HOST, 8080))
    assert "redirect" not in neighbour.inside(lambda: run("ip", "route", "get", HOST))
    assert _redirects(neighbour) == 0


def _redirects(container: Container) -> int:
    lines = container.inside(Path("/proc/thread-self/net/snmp").read_text).splitlines()
    names, values = [line.split() for line in lines if line.startswith("IcmpMsg:")] or [[], []]
    return int(dict(zip(names, values, strict=True)).get("InType5", 0))


async def test_udp(lab: Lab, daemon: Daemon) -> None:
    box, neighbour = await daemon.container(ECHO), await daemon.container()
    gateway = box.endpoint.gateway
    with box.receive(53) as server:
        with lab.from_outside(datagram_socket) as client:
            assert datagram_arrives(server, client, HOST, 5353) == OUTSIDE
        with datagram_socket() as client:
            assert datagram_arrives(server, client, "127.0.0.1", 5353) == gateway
        with datagram_socket() as client:
            assert datagram_arrives(server, client, HOST, 5353) == HOST
        with neighbour.inside(datagram_socket) as client:
            assert datagram_arrives(server, client, HOST, 5353) == gateway


async def test_one_address_of_the_host(lab: Lab, daemon: Daemon) -> None:
    box = await daemon.container(PortRequest(80, "tcp", HOST, 8080, 8080))
    other = await daemon.container(PortRequest(80, "tcp", "127.0.0.1", 8080, 8080))
    with box.listen(80) as server, other.listen(80) as local:
        assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        assert arrives(local, from_host("127.0.0.1")()) == box.endpoint.gateway
        with pytest.raises(ConnectionRefusedError):
            from_host(box.endpoint.gateway)()


async def test_out_to_the_world(lab: Lab, daemon: Daemon) -> None:
    box = await daemon.container()
    with lab.from_outside(lambda: socket.create_server((OUTSIDE, 7000))) as server:
        assert arrives(server, box.connect(OUTSIDE, 7000)) == HOST


async def test_forwarding_is_on_and_the_bridge_has_no_ipv6(daemon: Daemon) -> None:
    assert run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"
    assert run("ip", "-6", "addr", "show", "dev", "havre0") == ""
    box = await daemon.container()
    assert run("ip", "-6", "addr", "show", "dev", box.endpoint.host_interface) == ""
    assert box.inside(lambda: run("ip", "-6", "addr", "show", "dev", "eth0")) == ""


async def test_inside_a_container(daemon: Daemon) -> None:
    box = await daemon.container()
    shown = box.inside(lambda: run("ip", "-br", "addr"))
    assert f"{box.endpoint.ip_address}/16" in shown and "127.0.0.1/8" in shown
    assert box.endpoint.mac in box.inside(lambda: run("ip", "link", "show", "eth0"))
    assert f"default via {box.endpoint.gateway} dev eth0" in box.inside(lambda: run("ip", "route"))
    assert box.inside(lambda: run("sysctl", "-n", "net.ipv4.ip_unprivileged_port_start")) == "0\n"
    assert box.inside(lambda: run("sysctl", "-n", "net.ipv4.ping_group_range")).split() == ["0", "2147483647"]
