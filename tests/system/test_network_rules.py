"""The rule sets, as the kernel gives them back, against golden files; ``HAVRE_WRITE_GOLDEN=1`` writes those anew."""

import json
import os
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from havre.errors import Unavailable
from havre.kernel import nftables
from havre.kernel.nftables import Nftables, NftError
from havre.network import firewall
from havre.network.firewall import BridgeRules
from havre.network.model import Endpoint, PublishedPort
from tests.system import netlab
from tests.system.netlab import Lab, run

lab = netlab.lab
GOLDEN = Path(__file__).parents[1] / "golden" / "nft"

WEB = Endpoint(
    "n" * 64,
    "bridge",
    "a" * 64,
    "c" * 64,
    ip_address="172.29.0.2",
    ports=(
        PublishedPort(80, "tcp", "0.0.0.0", 8080),
        PublishedPort(443, "tcp", "127.0.0.1", 8443),
        PublishedPort(53, "udp", "0.0.0.0", 53),
        PublishedPort(5000, "sctp", "198.51.100.1", 5000),
    ),
)
RULES = BridgeRules("havre0", IPv4Network("172.29.0.0/16"), icc=True)
DUAL = BridgeRules("br-two", IPv4Network("10.1.5.0/24"), icc=True, subnet6=IPv6Network("fd00:5::/64"))
WEB6 = Endpoint(
    "n",
    "two",
    "e",
    "c",
    ip_address="10.1.5.2",
    ipv6_address="fd00:5::2",
    ports=(
        PublishedPort(80, "tcp", "0.0.0.0", 8080),
        PublishedPort(80, "tcp", "::", 8080),
        PublishedPort(443, "tcp", "2001:db8::1", 8443),
    ),
)
ROUTED6 = replace(WEB6, ports=(PublishedPort(80, "tcp", "0.0.0.0", 0), PublishedPort(80, "tcp", "::", 0)))
INTERNAL = BridgeRules("br-in", IPv4Network("10.1.3.0/24"), icc=True, internal=True)
TABLE = "havre_test"
CASES = {
    "empty": (RULES, []),
    "published": (RULES, [WEB]),
    "no-icc": (BridgeRules("br-own.1", IPv4Network("10.1.2.0/24"), icc=False), []),
    "internal": (INTERNAL, []),
    "no-masquerade": (BridgeRules("br-open", IPv4Network("10.1.4.0/24"), icc=True, masquerade=False), []),
    "dual-stack": (DUAL, [WEB6]),
    "honest": (replace(DUAL, honest=True), [WEB6]),
    "routed": (replace(DUAL, mode="routed", mode6="routed"), [ROUTED6]),
    "routed-ipv6": (
        replace(DUAL, mode6="routed", honest=True),
        [replace(WEB6, ports=(WEB6.ports[0], ROUTED6.ports[1]))],
    ),
    "nat-unprotected": (replace(DUAL, mode="nat-unprotected"), [WEB6]),
    "trusted": (replace(DUAL, trusted=("wan0", "vxlan.1")), [WEB6]),
    "host-address": (replace(DUAL, source="198.51.100.1", source6="2001:db8::1"), []),
}
SEVERAL = [(RULES, [WEB]), CASES["internal"], CASES["routed"]]


def _normal(table: list[dict[str, Any]] | None) -> str:
    """One object a line, without the kernel's own numbers, elements in order."""
    for entry in table or []:
        for thing in entry.values():
            thing.pop("handle", None)
            if isinstance(thing.get("map"), list):  # nftables 1.1; before, a string
                thing["map"] = " . ".join(thing["map"])
            if "elem" in thing:
                thing["elem"].sort(key=json.dumps)
    return "[\n" + ",\n".join(json.dumps(entry) for entry in table or []) + "\n]\n"


@pytest.mark.parametrize("name", [*CASES, "several"])
def test_golden(lab: Lab, name: str) -> None:
    nft = Nftables()
    nft.run(firewall.ruleset(TABLE, [CASES[name]] if name in CASES else SEVERAL))
    found = _normal(nft.table("inet", TABLE))
    path = GOLDEN / f"{name}.json"
    if os.environ.get("HAVRE_WRITE_GOLDEN"):
        path.write_text(found)
    assert found == path.read_text()


def test_setting_up_twice_is_setting_up_once(lab: Lab) -> None:
    nft = Nftables()
    for _ in range(2):
        nft.run(firewall.ruleset(TABLE, [(RULES, [WEB])]))
    found = _normal(nft.table("inet", TABLE))
    assert found == (GOLDEN / "published.json").read_text()


def test_a_failed_transaction_changes_nothing(lab: Lab) -> None:
    nft = Nftables()
    nft.run(firewall.ruleset(TABLE, [(RULES, [])]))
    before = run("nft", "list", "ruleset")
    missing = "".join(firewall.publish(TABLE, RULES, WEB)) + f"delete element inet {TABLE} published {{ tcp . 9 }}\n"
    with pytest.raises(NftError, match="No such file"):
        nft.run(missing)
    assert run("nft", "list", "ruleset") == before


def test_removal_takes_what_is_there(lab: Lab) -> None:
    nft = Nftables()
    nft.run(firewall.removal(TABLE))
    nft.run(firewall.ruleset(TABLE, [(RULES, [WEB])]))
    nft.run(firewall.removal(TABLE))
    assert nft.tables() == [] and nft.table("inet", TABLE) is None


@pytest.mark.parametrize("name", CASES)
def test_a_bridge_that_joins_and_parts(lab: Lab, name: str) -> None:
    """It is as if it had been there from the beginning, and as if it had never been."""
    rules, endpoints = CASES[name]
    other = BridgeRules("br-by", IPv4Network("10.1.6.0/24"), icc=True, honest=rules.honest)
    nft = Nftables()
    nft.run(firewall.ruleset(TABLE, [(rules, endpoints), (other, [])]))
    both = _sorted(nft)
    nft.run(firewall.ruleset(TABLE, [(other, [])]))
    alone = _sorted(nft)
    nft.run(firewall.join(TABLE, rules, endpoints))
    assert _sorted(nft) == both
    assert firewall.bridges_in(nft.table("inet", TABLE) or ()) == {rules.bridge, other.bridge}
    for endpoint in endpoints:
        nft.run("".join(firewall.withdraw(TABLE, rules, endpoint)))
    nft.run(firewall.part(TABLE, rules))
    assert _sorted(nft) == alone


def _sorted(nft: Nftables) -> list[str]:
    return sorted(_normal(nft.table("inet", TABLE)).replace(",\n", "\n").splitlines())


async def test_a_kernel_without_nat(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Nftables, _commands: str) -> None:
        raise NftError("Error: Could not process rule: Operation not supported")

    monkeypatch.setattr(Nftables, "run", refuse)
    with pytest.raises(Unavailable, match="cannot do NAT with nftables"):
        async with netlab.daemon(lab.layout()):
            pass
    assert "havre0" not in run("ip", "-br", "link"), "refused before anything was made"


def test_a_host_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "_LIBRARY", "libnftables-is-missing.so.1")
    with pytest.raises(Unavailable, match="libnftables1"):
        Nftables()
