"""The firewalls of others on this host: which of them drop what the networks' own rules let through.

A packet goes on only if every table accepts it. So the networks' rules mark what they have seen, and whoever keeps the
other firewall accepts the mark: ``docs/firewall.md``.
"""

from havre.kernel.iptables import legacy_rules
from havre.kernel.nftables import Nftables
from havre.network.firewall import MARK

# Family, table and chain.
Chain = tuple[str, str, str]


def obstacles(nft: Nftables) -> list[Chain]:
    """The chains of others that drop what is forwarded by default, and know nothing of the mark. Blocks."""
    found = [
        (family, table, chain)
        for family, table, chain in nft.dropping_chains("forward")
        if not _knows_mark(nft.table(family, table))
    ]
    for family in ("ip", "ip6"):
        rules = legacy_rules(family)
        if "-P FORWARD DROP" in rules and f"--mark {MARK:#x}" not in rules:
            found.append((family, "filter of iptables-legacy", "FORWARD"))
    return found


def refusals(nft: Nftables) -> list[Chain]:
    """The chains of others that drop by default what comes to this host itself. Blocks."""
    found = nft.dropping_chains("input")
    for family in ("ip", "ip6"):
        if "-P INPUT DROP" in legacy_rules(family):
            found.append((family, "filter of iptables-legacy", "INPUT"))
    return found


def told(chain: Chain) -> str:
    """What is wrong, and where it says what to do."""
    family, table, name = chain
    return (
        f"chain {name} of table {family} {table} drops forwarded packets by default: until it accepts those with the "
        f"mark {MARK:#x}, containers reach no other host, nor do other hosts their ports (docs/firewall.md)"
    )


def _knows_mark(objects: object) -> bool:
    if isinstance(objects, list):
        return any(_knows_mark(each) for each in objects)
    if isinstance(objects, dict):
        if set(objects) == {"op", "left", "right"} and objects["right"] == MARK:
            return "mark" in str(objects["left"])
        return any(_knows_mark(each) for each in objects.values())
    return False
