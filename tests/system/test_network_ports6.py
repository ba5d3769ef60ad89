"""Ports published on IPv6, with real packets: from outside, from the host, from neighbours; and what is refused."""

import socket
from collections.abc import Callable

import pytest

from havre.errors import SystemFault, Unsupported
from havre.kernel import namespaces
from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import Container, Daemon, Lab, arrives, datagram_arrives
from tests.system.test_network_own import box, network, six_outside

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
NAMES = PortRequest(53, "udp", host_port_start=5353, host_port_end=5353)
OTHER = PortRequest(80, "tcp", "2001:db8::1", 8081, 8081)
SIX = "2001:db8::1"


def server(one: Container, port: int) -> socket.socket:
    return one.inside(lambda: socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))


def dial(address: str, port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection((address, port), netlab.WAIT)


def datagrams() -> socket.socket:
    return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)


async def both(daemon: Daemon) -> Container:
    await daemon.networks.create(network("a", ipv6=True))
    return await box(daemon, "a", ports=(WEB, NAMES, OTHER))


async def test_tcp(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        with six_outside(lab):
            one = await both(daemon)
            listed = [(port.host_ip, port.host_port) for port in one.endpoint.ports if port.proto == "tcp"]
            assert listed == [("0.0.0.0", 8080), ("::", 8080), (SIX, 8081)]
            neighbour = await box(daemon, "a")
            with server(one, 80) as web:
                for port in (8080, 8081):
                    assert arrives(web, lab.from_outside(dial(SIX, port))) == "2001:db8::9", "the client's own address"
                    arrives(web, dial(SIX, port)())
                    arrives(web, neighbour.inside(dial(SIX, port)))
                    arrives(web, one.inside(dial(SIX, port)))
                arrives(web, lab.reach(netlab.HOST, 8080))
                # Refused, so that clients of localhost try 127.0.0.1 next.
                with pytest.raises(ConnectionRefusedError):
                    dial("::1", 8080)()
                arrives(web, dial("127.0.0.1", 8080)())
            await daemon.remove(one, neighbour)
            with pytest.raises(OSError):
                lab.from_outside(dial(SIX, 8080))


async def test_udp(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        with six_outside(lab):
            # A flow from before the port is published must not miss the container.
            with lab.from_outside(datagrams) as client:
                client.sendto(b"early", (SIX, 5353))
                one = await both(daemon)
                receiver = one.inside(datagrams)
                receiver.bind(("::", 53))
                with receiver:
                    assert datagram_arrives(receiver, client, SIX, 5353) == "2001:db8::9"
            await daemon.remove(one)


async def test_only_ipv6(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        with six_outside(lab):
            await daemon.networks.create(network("six", "fd00:6::/64", ipv4=False, ipv6=True))
            one = await box(daemon, "six", ports=(WEB,))
            assert [port.host_ip for port in one.endpoint.ports] == ["::"]
            with server(one, 80) as web:
                arrives(web, lab.from_outside(dial(SIX, 8080)))
            await daemon.remove(one)


async def test_a_restart(lab: Lab) -> None:
    layout = lab.layout()
    with six_outside(lab):
        async with netlab.daemon(layout, seed="x") as daemon:
            one = await both(daemon)
        async with netlab.daemon(layout, {one.id}, seed="x") as daemon:
            with server(one, 80) as web:
                arrives(web, lab.from_outside(dial(SIX, 8080)))
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("::", 8080), family=socket.AF_INET6)
            await daemon.remove(one)


async def test_what_is_refused(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), seed="x") as daemon:
        one = await both_on_any(daemon)
        with pytest.raises(SystemFault, match=r"\): Bind for :::8080 failed: port is already allocated$"):
            await box(daemon, "a", ports=(PortRequest(80, "tcp", "2001:db8::1", 8080, 8080),))
        with pytest.raises(SystemFault, match=r"host port for \[2001:db8::77\]:90:\[fd.*\]:80/tcp: cannot assign"):
            await box(daemon, "a", ports=(PortRequest(80, "tcp", "2001:db8::77", 90, 90),))
        with pytest.raises(Unsupported, match="on 2001:db8::1: the container has no IPv6 address"):
            await daemon.container(PortRequest(80, "tcp", "2001:db8::1", 90, 90))
        with pytest.raises(Unsupported, match="IPv6 loopback"):
            await box(daemon, "a", ports=(PortRequest(80, "tcp", "::1", 90, 90),))
        await daemon.remove(one)
        for path in (lab.root / "daemon1" / "exec" / "netns").glob("*"):
            namespaces.remove(path)


async def both_on_any(daemon: Daemon) -> Container:
    await daemon.networks.create(network("a", ipv6=True))
    return await box(daemon, "a", ports=(WEB,))
