"""The daemon's one nftables table while daemons follow each other: no packet that should pass is lost, none that should
not passes, and what earlier daemons made goes.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Interface

import pytest

from havre.kernel.nftables import Nftables
from havre.network import firewall
from havre.network.commits import Commits
from havre.network.model import PortRequest
from havre.store.layout import Layout
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Container, Lab, arrives, run
from tests.system.test_network_own import box, misses, network

lab = netlab.lab
PORTS = tuple(PortRequest(80, host_port_start=port, host_port_end=port) for port in (8080, 8081))
BRIDGE = "com.docker.network.bridge"
# As daemons made them that had tables for each bridge.
FORMER = """
table {family} havre_{bridge} {{
    chain forward {{
        type filter hook forward priority filter - 10; policy accept
        iifname != "{bridge}" oifname != "{bridge}" accept
        oifname != "{bridge}" accept
        ct state established,related accept
        ct status dnat accept
        drop
    }}
}}
"""


@dataclass
class Left:
    """Containers that outlived their daemon, on two networks; one is reached at its own address."""

    layout: Layout
    one: Container
    two: Container

    @property
    def live(self) -> set[str]:
        return {self.one.id, self.two.id}

    def check(self, lab: Lab) -> None:
        """Whoever should be reached is, and nobody else."""
        two = self.two.endpoint.ip_address
        with self.one.listen(80) as first, self.two.listen(80) as second, self.two.listen(81):
            assert arrives(first, lab.reach(HOST, 8080)) == OUTSIDE
            assert arrives(second, lab.reach(two, 80)) == OUTSIDE
            assert misses(self.one, two, 81), "they are on networks of their own"


@pytest.fixture
async def left(lab: Lab) -> AsyncIterator[Left]:
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        await daemon.networks.create(network("a", "10.5.0.0/24"))
        routed = {f"{BRIDGE}.gateway_mode_ipv4": "routed"}
        await daemon.networks.create(network("b", "10.6.0.0/24", options=routed))
        one, two = await box(daemon, "a", ports=PORTS[:1]), await box(daemon, "b", ports=PORTS[1:])
        lab.from_outside(lambda: run("ip", "route", "add", "10.6.0.0/24", "via", HOST))
    yield Left(layout, one, two)
    async with netlab.daemon(layout, live={one.id, two.id}) as daemon:
        await daemon.remove(one, two)
    assert run("nft", "list", "tables") == ""


def watch_every_transaction(monkeypatch: pytest.MonkeyPatch, lab: Lab, left: Left) -> list[str]:
    """Look at the network after each; what tables there were then."""
    apply, seen, turn = Commits.apply, [], asyncio.Lock()

    async def watched(self: Commits, commands: str) -> None:
        await apply(self, commands)
        # Bridges are opened side by side; only one can listen in a container.
        async with turn:
            await asyncio.to_thread(left.check, lab)
            seen.append(run("nft", "list", "tables"))

    monkeypatch.setattr(Commits, "apply", watched)
    return seen


async def test_a_start_leaves_no_gap(lab: Lab, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    left.check(lab)
    seen = watch_every_transaction(monkeypatch, lab, left)
    async with netlab.daemon(left.layout, live=left.live):
        # Three networks, opened side by side and so in one transaction or several, and all of them settled.
        assert 2 <= len(seen) <= 4
        assert seen[-1].split() == ["table", "inet", "havre_havre0"]
        assert all("inet havre_havre0\n" in each for each in seen), "what was there stays until then"


async def test_another_default_bridge(lab: Lab, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is the table's; what the old one says of other networks holds until the new one does."""
    seen = watch_every_transaction(monkeypatch, lab, left)
    bip = IPv4Interface("10.44.0.1/24")
    async with netlab.daemon(left.layout, live=left.live, bridge_name="havre7", bip=bip):
        assert "inet havre_havre0\n" in seen[0] and "inet havre_havre0\n" in seen[-2]
        assert seen[-1].split() == ["table", "inet", "havre_havre7"]


async def test_tables_for_each_bridge_go(lab: Lab, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    async with netlab.daemon(left.layout, live=left.live) as daemon:
        bridges = [daemon.networks.get(name).interface for name in ("bridge", "a")]
    for bridge in bridges:
        for family in ("ip", "ip6"):
            run("nft", FORMER.format(family=family, bridge=bridge))
    run("nft", "add table ip havre_br-other")
    seen = watch_every_transaction(monkeypatch, lab, left)
    async with netlab.daemon(left.layout, live=left.live):
        assert f"table ip6 havre_{bridges[1]}\n" in seen[-2]
        assert seen[-1].splitlines() == ["table ip havre_br-other", "table inet havre_havre0"], "other bridges' stay"
    run("nft", "delete table ip havre_br-other")


async def test_what_is_left_of_a_start_goes(lab: Lab, left: Left) -> None:
    run("nft", "add table inet havre_havre0_while_starting")
    async with netlab.daemon(left.layout, live=left.live):
        assert run("nft", "list", "tables").split() == ["table", "inet", "havre_havre0"]
        left.check(lab)


async def test_a_daemon_without_containers_takes_its_table_along(lab: Lab, left: Left) -> None:
    """The other one's stays, with the networks that have containers in it and no others."""
    async with netlab.daemon(lab.layout(), bridge_name="havre8", bip=IPv4Interface("10.44.0.1/24")) as other:
        await other.networks.create(network("c", "10.45.0.0/24"))
        found = sorted(run("nft", "list", "tables").splitlines())
        assert found == ["table inet havre_havre0", "table inet havre_havre8"]
        left.check(lab)
    assert run("nft", "list", "tables").split() == ["table", "inet", "havre_havre0"]
    known = firewall.bridges_in(Nftables().table("inet", "havre_havre0") or ())
    networks = {f"br-{each.endpoint.network_id[:12]}" for each in (left.one, left.two)}
    assert known == networks
