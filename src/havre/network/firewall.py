"""The rules of a bridge as nft text. No I/O: ``tables`` keeps them in force.

Each bridge has a table of its own for IPv4, ``ip havre_<bridge>``, and one for IPv6 if it has that, ``ip6
havre_<bridge>``; nothing outside them is ever read or written. What differs from container to container are elements of
two maps, so a start or stop costs the same with one container or thousands.

Networks are apart because each table drops what comes to its bridge from elsewhere and was not published. What comes
from a bridge or goes to one carries a mark from there on, by which the firewalls of others can let it pass.

Honest tables (docs/adr/0016-honest-ports.md) translate only for clients that the host's own input rules have let in:
the first packet of a client goes the way of packets to the host, and is noted and dropped where it has come through.

Gateway modes, of each IP version: with ``nat`` containers are reached through ports of the host, from trusted
interfaces also at their own addresses; with ``routed`` at their own alone, where a port is published, and nothing is
translated; with ``nat-unprotected`` at every port of theirs as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from havre.network.model import Endpoint
from havre.network.ports import ANY, ANY6

NAT, UNPROTECTED, ROUTED = "nat", "nat-unprotected", "routed"
# Bits of Kubernetes, Calico, Tailscale and CNI plugins are others.
MARK = 0x1000


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """What a bridge's rules depend on. ``internal``: nothing leaves it, and nothing comes in. ``source`` is the address
    of the host that what leaves carries; "" is for the kernel to choose. ``honest``: published ports obey the host's
    input rules. ``mode`` and ``mode6`` are the gateway modes, ``trusted`` interfaces of the host.
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
    mode: str = NAT
    mode6: str = NAT
    trusted: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return table_of(self.bridge)

    @property
    def families(self) -> tuple[str, ...]:
        """The families it has a table in."""
        return tuple(name for name, subnet in (("ip", self.subnet), ("ip6", self.subnet6)) if subnet is not None)

    def routed(self, family: str) -> bool:
        """Whether nothing is translated in that family."""
        return (self.mode if family == "ip" else self.mode6) == ROUTED

    def direct(self, family: str) -> bool:
        """Whether published ports are open at the container's own address."""
        return self.routed(family) or bool(self.trusted)


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
    translation = "" if rules.routed(family) else _translation(rules, family, kind, loopback, subnet)
    return f"""\
table {family} {rules.table} {{
{_direct(kind) if rules.direct(family) else ""}\
{_guard(bridge) if family == "ip" else ""}\
{translation}\
    chain forward {{
        # Before other tables, which see the mark then.
        type filter hook forward priority filter - 10; policy accept
        # First of all, because the packets of all other networks come here too.
        iifname != {bridge} oifname != {bridge} accept
        meta mark set meta mark | {MARK:#x}
{_forward(rules, family, bridge)}
    }}
}}
"""


def _direct(kind: str) -> str:
    return f"""\
    # Published ports that are reached at the address of their container.
    set direct {{
        type {kind} . inet_proto . inet_service
    }}
"""


def _translation(rules: BridgeRules, family: str, kind: str, loopback: str, subnet: str) -> str:
    bridge = f'"{rules.bridge}"'
    source = rules.source if family == "ip" else rules.source6
    translated = f"snat to {source}" if source else "masquerade"
    admitted = f"{family} saddr . {family} daddr . meta l4proto . th dport . iifname"
    if_admitted = f" {admitted} @admitted" if rules.honest else ""
    out = f"\n        oifname != {bridge} {family} saddr {subnet} {translated}" if rules.masquerade else ""
    return f"""\
    # Ports published on every address, and those published on one: where the container listens.
    map published {{
        type inet_proto . inet_service : {kind} . inet_service
    }}
    map published_on {{
        type {kind} . inet_proto . inet_service : {kind} . inet_service
    }}
{_admission(family, kind, admitted) if rules.honest else ""}\
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
    asking = [family for family in rules.families if rules.honest and not rules.routed(family)]
    return "".join(f"flush set {family} {rules.table} admitted\n" for family in asking)


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


def _forward(rules: BridgeRules, family: str, bridge: str) -> str:
    neighbours = "accept" if rules.icc else "drop"
    if rules.internal:
        return f"""\
        iifname {bridge} oifname {bridge} {neighbours}
        # Neither to other networks nor from them.
        drop"""
    translated = "" if rules.routed(family) else "\n        ct status dnat accept"
    return f"""\
        oifname != {bridge} accept
        ct state established,related accept{translated}
        iifname {bridge} {neighbours}
{_from_elsewhere(rules, family)}"""


def _from_elsewhere(rules: BridgeRules, family: str) -> str:
    if (rules.mode if family == "ip" else rules.mode6) == UNPROTECTED:
        return "        # From elsewhere every port of a container is reached.\n        accept"
    open_ones = f"{family} daddr . meta l4proto . th dport @direct accept"
    lines = ["# From elsewhere containers are reached through published ports only."]
    if rules.routed(family):
        lines += [open_ones, f"meta l4proto {'icmp' if family == 'ip' else 'ipv6-icmp'} accept"]
    elif rules.trusted:
        names = ", ".join(f'"{name}"' for name in rules.trusted)
        lines.append(f"iifname {{ {names} }} {open_ones}")
    return "\n".join(f"        {line}" for line in [*lines, "drop"])


def publish(rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that send the endpoint's published ports to it."""
    return [
        f"add element {family} {rules.table} {name} {{ {key}{f' : {target}' if target else ''} }}\n"
        for family, name, key, target in dict.fromkeys(_elements(rules, endpoint))
    ]


def withdraw(rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that end it; an element that is not there makes the transaction fail."""
    return [
        f"delete element {family} {rules.table} {name} {{ {key} }}\n"
        for family, name, key, _ in dict.fromkeys(_elements(rules, endpoint))
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
        if rules.direct(family):
            # Of several ports of the host that lead to it there is one of these.
            found.append((family, "direct", f"{address} . {port.proto} . {port.container_port}", ""))
        if rules.routed(family) or not port.host_port:
            continue
        target = f"{address} . {port.container_port}"
        ending = ""
        if port.host_ip not in (ANY, ANY6):
            ending, key = "_on", f"{port.host_ip} . {key}"
        found.append((family, f"published{ending}", key, target))
        if rules.honest:
            found.append((family, f"open{ending}", key, ""))
    return found
