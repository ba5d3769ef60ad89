"""Honest ports: published ones obey the host's own input rules, whatever those are, with real packets."""

import shutil
import socket

import pytest

from havre.engine.portreasons import PortReasons
from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, run
from tests.system.test_network_recovery import until

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
OTHER = PortRequest(80, host_port_start=8081, host_port_end=8081)
LOCAL = PortRequest(80, "tcp", "127.0.0.1", 8082, 8082)
BANNED = "198.51.100.10"
NFT = """
table inet site {
    chain input {
        type filter hook input priority filter; policy drop
        ct state established,related accept
        iif lo accept
        tcp dport 8080 accept
    }
}
"""
IPTABLES = (
    "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -p tcp --dport 8080 -j ACCEPT",
    "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
    "-P INPUT DROP",
)


class Policy:
    """The host's own input rules, kept with one of the programs people keep them with: in by port 8080 alone."""

    def __init__(self, program: str) -> None:
        self.program = program
        if program == "nft":
            run("nft", NFT)
        else:
            for rule in IPTABLES:
                run(program, *rule.split())

    def ban(self, address: str) -> None:
        if self.program == "nft":
            run("nft", f"insert rule inet site input ip saddr {address} drop")
        else:
            run(self.program, "-I", "INPUT", "-s", address, "-j", "DROP")


def admitted() -> bool:
    return "8080" in run("nft", "list", "set", "inet", "havre_havre0", "admitted").partition("elements")[2]


def dial(lab: Lab, port: int, patience: float = netlab.WAIT, source: str = OUTSIDE) -> socket.socket:
    """A connection from outside."""
    return lab.from_outside(lambda: socket.create_connection((HOST, port), patience, (source, 0)))


@pytest.mark.parametrize("program", ["nft", "iptables-nft", "iptables-legacy"])
async def test_a_host_that_lets_few_in(lab: Lab, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    lab.from_outside(lambda: run("ip", "addr", "add", f"{BANNED}/24", "dev", "wan1"))
    policy = Policy(program)
    async with netlab.daemon(lab.layout(), honest=True) as daemon:
        one = await daemon.container(WEB, OTHER, LOCAL)
        neighbour = await daemon.container(name="other")
        with one.listen(80) as server:
            for _ in range(2):
                assert arrives(server, dial(lab, 8080)) == OUTSIDE
            with pytest.raises(OSError):
                dial(lab, 8081, netlab.REFUSED)
            for port in (8080, 8081, 8082):
                arrives(server, socket.create_connection(("127.0.0.1", port), netlab.WAIT))
            arrives(server, neighbour.connect(HOST, 8080))
            with pytest.raises(OSError):
                neighbour.inside(lambda: socket.create_connection((HOST, 8081), netlab.REFUSED))
            assert admitted()
            (told, *_) = await PortReasons(daemon.networks, lambda _: "one").why("8080")
            place = {"nft": "table inet site", "iptables-legacy": "iptables-legacy"}.get(program, "table ip filter")
            assert any("drops what comes to this host" in line and place in line for line in told["Reach"])
            policy.ban(BANNED)
            if program == "iptables-legacy":
                # Its changes make no news: who was let in stays so for an hour, and others are asked about.
                assert arrives(server, dial(lab, 8080)) == OUTSIDE
            else:
                await until(lambda: not admitted())
                assert arrives(server, dial(lab, 8080)) == OUTSIDE, "asked anew, and let in"
            with pytest.raises(OSError):
                dial(lab, 8080, source=BANNED)
        await daemon.remove(one, neighbour)


async def test_a_rejection_is_seen_as_such(lab: Lab) -> None:
    """The client hears what the host's rules say, at once."""
    Policy("iptables-nft")
    async with netlab.daemon(lab.layout(), honest=True) as daemon:
        one = await daemon.container(OTHER)
        with one.listen(80), pytest.raises(ConnectionRefusedError):
            dial(lab, 8081)
        await daemon.remove(one)


async def test_a_host_without_rules(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), honest=True) as daemon:
        one = await daemon.container(WEB)
        with one.listen(80) as server:
            assert arrives(server, dial(lab, 8080)) == OUTSIDE
        await daemon.remove(one)
        with pytest.raises(OSError):
            dial(lab, 8080, netlab.REFUSED)


async def test_the_default_asks_nobody(lab: Lab) -> None:
    """As with Docker: what is published is open, whatever the host's input rules say."""
    Policy("nft")
    async with netlab.daemon(lab.layout()) as daemon:
        one = await daemon.container(OTHER)
        with one.listen(80) as server:
            assert arrives(server, dial(lab, 8081)) == OUTSIDE
        await daemon.remove(one)
