"""Honest ports: published ones obey the host's own input rules, whatever those are, with real packets."""

import asyncio
import socket

import pytest

from havre.network.model import PortRequest
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, run

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
OTHER = PortRequest(80, host_port_start=8081, host_port_end=8081)
LOCAL = PortRequest(80, "tcp", "127.0.0.1", 8082, 8082)
POLICY = """
table inet site {
    chain input {
        type filter hook input priority filter; policy drop
        ct state established,related accept
        iif lo accept
        tcp dport 8080 accept
    }
}
"""


def admitted() -> bool:
    return "8080" in run("nft", "list", "set", "ip", "havre_havre0", "admitted").partition("elements")[2]


async def test_a_host_that_lets_few_in(lab: Lab) -> None:
    run("nft", POLICY)
    async with netlab.daemon(lab.layout(), honest=True) as daemon:
        one = await daemon.container(WEB, OTHER, LOCAL)
        neighbour = await daemon.container(name="other")
        with one.listen(80) as server:
            for _ in range(2):
                assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            with pytest.raises(OSError):
                lab.reach(HOST, 8081)
            for port in (8080, 8081, 8082):
                arrives(server, socket.create_connection(("127.0.0.1", port), netlab.WAIT))
            arrives(server, neighbour.connect(HOST, 8080))
            with pytest.raises(OSError):
                neighbour.connect(HOST, 8081)
            assert admitted()
            # A change of the host's rules is heard of.
            run("nft", "insert rule inet site input ip saddr 198.51.100.9 drop")
            for _ in range(100):
                if admitted():
                    await asyncio.sleep(0.02)
            with pytest.raises(OSError):
                lab.reach(HOST, 8080)
        await daemon.remove(one, neighbour)


async def test_a_host_without_rules(lab: Lab) -> None:
    async with netlab.daemon(lab.layout(), honest=True) as daemon:
        one = await daemon.container(WEB)
        with one.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        await daemon.remove(one)
        with pytest.raises(OSError):
            lab.reach(HOST, 8080)
