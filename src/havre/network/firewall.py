"""The rules of a bridge as nft text. No I/O: ``tables`` keeps them in force.

Each bridge has a table of its own for IPv4, ``ip havre_<bridge>``, and one for IPv6 if it has that, ``ip6
havre_<bridge>``; nothing outside them is ever read or written. What differs from container to container are elements of
two maps, so a start or stop costs the same with one container or thousands.

Networks are apart because each table drops what comes to its bridge from elsewhere and was not published.

Honest tables (docs/adr/0016-honest-ports.md) translate only for clients that the host's own input rules have let in:
the first packet of a client goes the way of packets to the host, and is noted and dropped where it has come through.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from havre.network.model import Endpoint
from havre.network.ports import ANY, ANY6


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """What a bridge's rules depend on. ``internal``: nothing leaves it, and nothing comes in. ``source`` is the address
    of the host that what leaves carries; "" is for the kernel to choose. ``honest``: published ports obey the host's
    input rules.
    """

    bridge: str
    subnet: IPv4Network | None
    icc: bool
    internal: bool = False
    masquerade: bool = True
    subnet6: IPv6Network | None = None
    source: str = ""
    source6: str = ""
    honest: bool = False

    @property
    def table(self) -> str:
        return table_of(self.bridge)

    @property
    def families(self) -> tuple[str, ...]:
        """The families it has a table in."""
        return tuple(name for name, subnet in (("ip", self.subnet), ("ip6", self.subnet6)) if subnet is not None)


_PREFIX = "havre_"
# Clients that a table remembers, each with a port; about 150 bytes of kernel memory each.
_CLIENTS = 262_144
# A change of the host's rules is heard of sooner, while the daemon runs.
_ADMITTED_FOR = "1h"


def table_of(bridge: str) -> str:
    """The name of the bridge's tables."""
    return f"{_PREFIX}{bridge}"


def is_own(table: str) -> bool:
    """Whether a table of that name is a daemon's of ours."""
    return table.startswith(_PREFIX)


def ruleset(rules: BridgeRules, endpoints: Iterable[Endpoint]) -> str:
    """One transaction that puts the tables in place of whatever was there, with the ports of ``endpoints``."""
    text = removal(rules.bridge, rules.families)
    if rules.subnet is not None:
        text += _table(rules, "ip", "ipv4_addr", "127.0.0.0/8", str(rules.subnet))
    if rules.subnet6 is not None:
        text += _table(rules, "ip6", "ipv6_addr", "::1", str(rules.subnet6))
    for endpoint in endpoints:
        text += "".join(publish(rules, endpoint))
    return text


def _table(rules: BridgeRules, family: str, kind: str, loopback: str, subnet: str) -> str:
    bridge = f'"{rules.bridge}"'
    source = rules.source if family == "ip" else rules.source6
    translated = f"snat to {source}" if source else "masquerade"
    admitted = f"{family} saddr . {family} daddr . meta l4proto . th dport . iifname"
    if_admitted = f" {admitted} @admitted" if rules.honest else ""
    out = f"\n        oifname != {bridge} {family} saddr {subnet} {translated}" if rules.masquerade else ""
    return f"""\
table {family} {rules.table} {{
    # Ports published on every address, and those published on one: where the container listens.
    map published {{
        type inet_proto . inet_service : {kind} . inet_service
    }}
    map published_on {{
        type {kind} . inet_proto . inet_service : {kind} . inet_service
    }}
{_admission(family, kind, admitted) if rules.honest else ""}\
{_guard(bridge) if family == "ip" else ""}\
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept
        # A frame from outside may name the loopback as its destination: what is published there is for this host alone.
        {family} daddr {loopback} return
        fib daddr type local{if_admitted} jump publish
    }}
    chain output {{
        type nat hook output priority -100; policy accept
{_own_loopback(family)}        fib daddr type local jump publish
    }}
    chain publish {{
        dnat {family} to {family} daddr . meta l4proto . th dport map @published_on
        dnat {family} to meta l4proto . th dport map @published
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept
        # Through a published port: from the host's loopback, or from a neighbour, whose answer must come back this way.
        oifname {bridge} ct status dnat {family} saddr {{ {loopback}, {subnet} }} masquerade{out}
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept
{_forward(rules, bridge)}
    }}
}}
"""


def _admission(family: str, kind: str, client: str) -> str:
    return f"""\
    # The published ports once more, and who may use them: from where, to which address, through which interface.
    set open {{
        type inet_proto . inet_service
    }}
    set open_on {{
        type {kind} . inet_proto . inet_service
    }}
    set admitted {{
        type {kind} . {kind} . inet_proto . inet_service . ifname
        size {_CLIENTS}
        flags dynamic,timeout
        timeout {_ADMITTED_FOR}
    }}
    chain admission {{
        type filter hook input priority 300; policy accept
        iifname "lo" return
        # What has come this far, the host's own rules have accepted.
        ct state new meta l4proto . th dport @open jump admit
        ct state new {family} daddr . meta l4proto . th dport @open_on jump admit
    }}
    chain admit {{
        # The client sends it again, and is led to the container then.
        update @admitted {{ {client} }} drop
    }}
"""


def forget_admissions(rules: BridgeRules) -> str:
    """The transaction that asks the host's rules anew about everybody."""
    return "".join(f"flush set {family} {rules.table} admitted\n" for family in rules.families if rules.honest)


def _own_loopback(family: str) -> str:
    if family == "ip":
        return ""
    return """\
        # No answer would come back to ::1 from the bridge: better refused at once than silent.
        ip6 daddr ::1 return
"""


def _guard(bridge: str) -> str:
    return f"""\
    chain guard {{
        type filter hook prerouting priority raw; policy accept
        # route_localnet is on for this bridge: without this a container could reach the host's 127.0.0.0/8.
        iifname {bridge} ip daddr 127.0.0.0/8 drop
    }}
"""


def _forward(rules: BridgeRules, bridge: str) -> str:
    neighbours = "accept" if rules.icc else "drop"
    if rules.internal:
        return f"""\
        iifname != {bridge} oifname != {bridge} accept
        iifname {bridge} oifname {bridge} {neighbours}
        # Neither to other networks nor from them.
        drop"""
    return f"""\
        oifname != {bridge} accept
        ct state established,related accept
        ct status dnat accept
        iifname {bridge} {neighbours}
        # From elsewhere containers are reached through published ports only.
        drop"""


def publish(rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that send the endpoint's published ports to it."""
    return [
        f"add element {family} {rules.table} {name} {{ {key}{f' : {target}' if target else ''} }}\n"
        for family, name, key, target in _elements(rules, endpoint)
    ]


def withdraw(rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that end it; an element that is not there makes the transaction fail."""
    return [
        f"delete element {family} {rules.table} {name} {{ {key} }}\n"
        for family, name, key, _ in _elements(rules, endpoint)
    ]


def removal(bridge: str, families: Iterable[str]) -> str:
    """The transaction that takes the bridge's tables away, whether or not they are there."""
    table = table_of(bridge)
    return "".join(f"add table {family} {table}\ndelete table {family} {table}\n" for family in families)


def _elements(rules: BridgeRules, endpoint: Endpoint) -> list[tuple[str, str, str, str]]:
    found = []
    for port in endpoint.ports:
        key = f"{port.proto} . {port.host_port}"
        family, address = ("ip6", endpoint.ipv6_address) if ":" in port.host_ip else ("ip", endpoint.ip_address)
        if family not in rules.families or not address:
            continue
        target = f"{address} . {port.container_port}"
        ending = ""
        if port.host_ip not in (ANY, ANY6):
            ending, key = "_on", f"{port.host_ip} . {key}"
        found.append((family, f"published{ending}", key, target))
        if rules.honest:
            found.append((family, f"open{ending}", key, ""))
    return found
