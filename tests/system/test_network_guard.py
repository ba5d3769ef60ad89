"""What must not be reached: the host's loopback from containers, loopback ports and containers from outside."""

import socket
import struct
from functools import partial

import pytest

from havre.errors import Conflict, Unavailable
from havre.kernel.namespaces import write_sysctl
from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, datagram_socket, nothing_arrives, run
from tests.system.test_network_own import network

lab = netlab.lab
_STATION = bytes.fromhex("020000000001")  # a bridge drops frames without a valid sender


def _frame(target_mac: str, source: str, address: str, port: int) -> bytes:
    """An Ethernet frame with one UDP datagram, as no socket would send it."""
    payload = b"crafted"
    udp = struct.pack("!HHHH", 4444, port, 8 + len(payload), 0) + payload
    ends = socket.inet_aton(source) + socket.inet_aton(address)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0) + ends
    total = sum(struct.unpack("!10H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = header[:10] + struct.pack("!H", checksum) + header[12:]
    return bytes.fromhex(target_mac.replace(":", "")) + _STATION + b"\x08\x00" + header + udp


def _send(interface: str, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((interface, 0))
        raw.send(frame)


def _mac(interface: str) -> str:
    return run("ip", "-br", "link", "show", interface).split()[2]


async def test_loopback_ports_are_for_the_host_alone(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(PortRequest(53, "udp", "127.0.0.1", 5353, 5353))
        neighbour = await daemon.container()
        host_mac, bridge_mac = _mac("wan0"), _mac("havre0")
        with box.receive(53) as server:
            lab.from_outside(lambda: _send("wan1", _frame(host_mac, OUTSIDE, "127.0.0.1", 5353)))
            assert nothing_arrives(server)
            lab.from_outside(lambda: _send("wan1", _frame(host_mac, "127.0.0.1", "127.0.0.1", 5353)))
            assert nothing_arrives(server)
            frame = _frame(bridge_mac, neighbour.endpoint.ip_address, "127.0.0.1", 5353)
            neighbour.inside(lambda: _send("eth0", frame))
            assert nothing_arrives(server)
            with datagram_socket() as client:
                client.sendto(b"ping", ("127.0.0.1", 5353))
                assert not nothing_arrives(server), "the host itself must reach it"


async def test_crafted_frames_would_reach_a_public_port(lab: Lab) -> None:
    """The control of the test above: such a frame to an address that is published does arrive."""
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(PortRequest(53, "udp", "", 5353, 5353))
        host_mac = _mac("wan0")
        with box.receive(53) as server:
            lab.from_outside(lambda: _send("wan1", _frame(host_mac, OUTSIDE, HOST, 5353)))
            assert not nothing_arrives(server)
            lab.from_outside(lambda: _send("wan1", _frame(host_mac, OUTSIDE, "127.0.0.1", 5353)))
            assert nothing_arrives(server), "127.0.0.1 is nobody's address outside, whatever is published"


async def test_containers_do_not_reach_the_hosts_loopback(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container()
        bridge_mac = _mac("havre0")
        with datagram_socket() as local, datagram_socket() as public:
            local.bind(("127.0.0.1", 6000))
            public.bind(("0.0.0.0", 6001))
            source, gateway = box.endpoint.ip_address, box.endpoint.gateway
            box.inside(lambda: _send("eth0", _frame(bridge_mac, source, "127.0.0.1", 6000)))
            assert nothing_arrives(local)
            box.inside(lambda: _send("eth0", _frame(bridge_mac, source, "127.0.0.1", 6001)))
            assert nothing_arrives(public)
            box.inside(lambda: _send("eth0", _frame(bridge_mac, "127.0.0.1", gateway, 6001)))
            assert nothing_arrives(public), "nor pose as the loopback"
            box.inside(lambda: _send("eth0", _frame(bridge_mac, source, gateway, 6001)))
            assert not nothing_arrives(public), "the control: the gateway's address is open, as in Docker"


async def test_unpublished_ports_are_closed_to_the_outside(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(PortRequest(80, "tcp", "", 8080, 8080))
        address = box.endpoint.ip_address
        lab.from_outside(lambda: run("ip", "route", "add", "172.16.0.0/12", "via", HOST))
        with box.listen(80), box.listen(81), box.receive(53) as receiver:
            for port in (80, 81):
                with pytest.raises(TimeoutError):
                    lab.from_outside(partial(socket.create_connection, (address, port), netlab.REFUSED))
            with lab.from_outside(datagram_socket) as client:
                client.sendto(b"ping", (address, 53))
                assert nothing_arrives(receiver)
            with pytest.raises(ConnectionRefusedError):
                lab.reach(HOST, 81)


async def test_neighbours_apart_without_icc(lab: Lab) -> None:
    write_sysctl("net/bridge/bridge-nf-call-iptables", "1")
    async with netlab.daemon(lab.layout(), icc=False) as daemon:
        box = await daemon.container(PortRequest(80, "tcp", "", 8080, 8080))
        neighbour = await daemon.container()
        with box.listen(80) as server, box.listen(81):
            for port in (80, 81):
                with pytest.raises(TimeoutError):
                    address = (box.endpoint.ip_address, port)
                    neighbour.inside(partial(socket.create_connection, address, netlab.REFUSED))
            assert arrives(server, neighbour.connect(HOST, 8080)), "what is published is published to all"


async def test_without_a_firewall(lab: Lab) -> None:
    """``--iptables=false``: no table, no sysctl, no ports; a container still talks to the host and its neighbours."""
    async with netlab.daemon(lab.layout(), firewall=False) as daemon:
        box, neighbour = await daemon.container(), await daemon.container()
        assert run("nft", "list", "tables") == ""
        assert run("sysctl", "-n", "net.ipv4.ip_forward") == "0\n"
        assert run("sysctl", "-n", "net.ipv4.conf.havre0.route_localnet") == "0\n"
        with box.listen(80) as server:
            address = box.endpoint.ip_address
            assert arrives(server, neighbour.connect(address, 80)) == neighbour.endpoint.ip_address
            assert arrives(server, socket.create_connection((address, 80))) == box.endpoint.gateway
        with pytest.raises(Unavailable, match="--iptables=false"):
            await daemon.container(PortRequest(80))
        await daemon.remove(box, neighbour)
    assert "havre0" not in run("ip", "link")


async def test_no_container_becomes_the_hosts_router(lab: Lab) -> None:
    """Without IPv6 forwarding the kernel takes in routers' advertisements, unless it is told not to."""
    async with netlab.daemon(lab.layout(), firewall6=False) as daemon:
        made = await daemon.networks.create(network("a", ipv6=True))
        assert run("sysctl", "-n", f"net.ipv6.conf.{made.interface}.forwarding") == "0\n"
        assert run("sysctl", "-n", f"net.ipv6.conf.{made.interface}.accept_ra") == "0\n"


async def test_forwarding_that_is_on_is_left_alone(lab: Lab) -> None:
    write_sysctl("net/ipv4/ip_forward", "1")
    async with netlab.daemon(lab.layout()):
        assert run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"


async def test_an_interface_that_is_no_bridge(lab: Lab) -> None:
    with pytest.raises(Conflict, match="wan0 exists and is not a bridge"):
        async with netlab.daemon(lab.layout(), bridge_name="wan0"):
            pass
