"""Gateway modes and trusted interfaces, with real packets: who reaches containers at their own addresses."""

import socket
from collections.abc import Callable

from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Container, Lab, arrives, run
from tests.system.test_network_own import BRIDGE, WEB, box, misses, network, reaches, six_outside

lab = netlab.lab
LAN, SIX = "10.9.1.0/24", "fd00:9:1::/64"
AGAIN = PortRequest(80, host_port_start=8081, host_port_end=8081)


def route_outside(lab: Lab) -> None:
    """The machine outside knows the way to the containers."""
    lab.from_outside(lambda: run("ip", "route", "add", LAN, "via", HOST))


def outside_reaches(lab: Lab, address: str, port: int) -> bool:
    return _succeeds(lab, lambda: socket.create_connection((address, port), netlab.WAIT).close())


def outside_misses(lab: Lab, address: str, port: int) -> bool:
    return not _succeeds(lab, lambda: socket.create_connection((address, port), netlab.REFUSED).close())


def _succeeds(lab: Lab, work: Callable[[], object]) -> bool:
    try:
        lab.from_outside(work)
    except OSError:
        return False
    return True


def ping(address: str) -> None:
    """An echo request, and its answer."""
    six = ":" in address
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(netlab.WAIT)
        # Of IPv6 the kernel writes the checksum.
        raw.sendto(bytes.fromhex("8000000012340001" if six else "0800e5ca12340001"), (address, 0))
        answer = bytes.fromhex("12340001")
        while not raw.recv(200).endswith(answer):
            continue


def comes_from(lab: Lab, one: Container) -> str:
    """The address that ``one`` has for the machine outside."""
    with lab.from_outside(lambda: netlab._server(9000)) as server:
        return arrives(server, one.connect(OUTSIDE, 9000))


async def test_routed(lab: Lab) -> None:
    route_outside(lab)
    modes = {f"{BRIDGE}gateway_mode_ipv4": "routed", f"{BRIDGE}gateway_mode_ipv6": "routed"}
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("lan", LAN, SIX, ipv6=True, options=modes))
        await daemon.networks.create(network("other", "10.9.2.0/24"))
        one, neighbour, other = (
            await box(daemon, "lan", ports=(WEB,)),
            await box(daemon, "lan"),
            await box(daemon, "other"),
        )
        address = one.endpoint.ip_address
        assert [(port.host_ip, port.host_port) for port in one.endpoint.ports] == [("0.0.0.0", 0), ("::", 0)]
        with one.listen(80) as web, one.listen(81):
            assert arrives(web, lab.reach(address, 80)) == OUTSIDE
            assert outside_misses(lab, HOST, 8080), "no port of the host is taken"
            assert reaches(other, address, 80) and reaches(neighbour, address, 81)
            assert misses(other, address, 81)
            assert outside_misses(lab, address, 81)
        assert comes_from(lab, one) == address, "nothing is translated"
        lab.from_outside(lambda: ping(address))
        with six_outside(lab):
            lab.from_outside(lambda: run("ip", "route", "add", SIX, "via", "2001:db8::1"))
            lab.from_outside(lambda: ping(one.endpoint.ipv6_address))
            server = one.inside(lambda: socket.create_server(("::", 80), family=socket.AF_INET6))
            with server:
                assert arrives(server, lab.reach(one.endpoint.ipv6_address, 80)) == "2001:db8::9"
        await daemon.networks.publishing.remove(one.id, lambda _: True)
        with one.listen(80):
            assert outside_misses(lab, address, 80)
        await daemon.remove(one, neighbour, other)


async def test_routed_over_a_restart(lab: Lab) -> None:
    route_outside(lab)
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        await daemon.networks.create(network("lan", LAN, options={f"{BRIDGE}gateway_mode_ipv4": "routed"}))
        one = await box(daemon, "lan", ports=(WEB,))
    async with netlab.daemon(layout, {one.id}) as daemon:
        with one.listen(80) as web:
            assert arrives(web, lab.reach(one.endpoint.ip_address, 80)) == OUTSIDE
        await daemon.remove(one)


async def test_unprotected(lab: Lab) -> None:
    route_outside(lab)
    modes = {f"{BRIDGE}gateway_mode_ipv4": "nat-unprotected"}
    async with netlab.daemon(lab.layout()) as daemon:
        await daemon.networks.create(network("lan", LAN, options=modes))
        one = await box(daemon, "lan", ports=(WEB,))
        with one.listen(80) as web, one.listen(81) as hidden:
            assert arrives(web, lab.reach(HOST, 8080)) == OUTSIDE
            assert arrives(hidden, lab.reach(one.endpoint.ip_address, 81)) == OUTSIDE
        assert comes_from(lab, one) == HOST
        await daemon.remove(one)


async def test_trusted_interfaces(lab: Lab) -> None:
    route_outside(lab)
    run("ip", "link", "add", "wan9", "type", "veth", "peer", "name", "wan8")
    async with netlab.daemon(lab.layout()) as daemon:
        for trusted, seen in (("wan0:wan9", outside_reaches), ("wan9", outside_misses)):
            options = {f"{BRIDGE}trusted_host_interfaces": trusted}
            await daemon.networks.create(network("lan", LAN, options=options))
            one = await box(daemon, "lan", ports=(WEB, AGAIN))
            with one.listen(80) as web, one.listen(81):
                assert arrives(web, lab.reach(HOST, 8080)) == OUTSIDE
                assert seen(lab, one.endpoint.ip_address, 80)
                assert outside_misses(lab, one.endpoint.ip_address, 81)
                await daemon.networks.publishing.remove(one.id, lambda port: port.host_port == 8081)
                assert seen(lab, one.endpoint.ip_address, 80), "8080 leads there still"
            await daemon.remove(one)
            await daemon.networks.remove(daemon.networks.get("lan"))
