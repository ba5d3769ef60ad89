"""The rules of all bridges as nft text. No I/O: ``tables`` keeps them in force.

A daemon has one table, ``inet havre_<its default bridge>``; nothing outside it is ever read or written. What a bridge
adds are chains of its own, and elements of the maps that lead there; what a container adds are elements alone. So a
packet, a start and a stop cost the same with one network and one container or with hundreds.

Networks are apart because a bridge's chain drops what comes to it from elsewhere and was not published. What comes
from a bridge or goes to one carries a mark from there on, by which the firewalls of others can let it pass.

Honest tables (docs/adr/0016-honest-ports.md) translate only for clients that the host's own input rules have let in:
the first packet of a client goes the way of packets to the host, and is noted and dropped where it has come through.

Gateway modes, of each IP version: with ``nat`` containers are reached through ports of the host, from trusted
interfaces also at their own addresses; with ``routed`` at their own alone, where a port is published, and nothing is
translated; with ``nat-unprotected`` at every port of theirs as well.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

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
    def families(self) -> tuple[str, ...]:
        """The families it has rules for."""
        return tuple(name for name, subnet in (("ip", self.subnet), ("ip6", self.subnet6)) if subnet is not None)

    def routed(self, family: str) -> bool:
        """Whether nothing is translated in that family."""
        return (self.mode if family == "ip" else self.mode6) == ROUTED

    def direct(self, family: str) -> bool:
        """Whether published ports are open at the container's own address."""
        return self.routed(family) or bool(self.trusted)


# What makes the names of a bridge's elements and expressions: of IPv4 and of IPv6.
_SUFFIX = {"ip": "", "ip6": "6"}
_KIND = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}
_LOOPBACK = {"ip": "127.0.0.0/8", "ip6": "::1"}
_ICMP = {"ip": "icmp", "ip6": "ipv6-icmp"}
_PREFIX = "havre_"
# No bridge has a name as long as this and a letter: the name is no other daemon's.
_STARTING = "_while_starting"
# Clients that a table remembers, each with a port; about 150 bytes of kernel memory each.
_CLIENTS = 262_144
# A change of the host's rules is heard of sooner, while the daemon runs.
_ADMITTED_FOR = "1h"
# nft takes no elements of intervals beside a map that it makes in the place of another, only in it.
_SOURCES = ("sources", "sources6")
_MARKED = f"meta mark set meta mark | {MARK:#x}"

Member = tuple[BridgeRules, Iterable[Endpoint]]


def table_of(bridge: str) -> str:
    """The name of the table of the daemon whose default bridge that is."""
    return f"{_PREFIX}{bridge}"


def starting(table: str) -> str:
    """The name of the table that guards what the daemon opens at its start, as long as that lasts."""
    return f"{table}{_STARTING}"


def is_own(table: str) -> bool:
    """Whether a table of that name is a daemon's of ours."""
    return table.startswith(_PREFIX)


def ruleset(table: str, members: Iterable[Member]) -> str:
    """One transaction that puts the table in place of whatever was there, with the bridges and ports of ``members``."""
    members = [(rules, list(endpoints)) for rules, endpoints in members]
    doors = [door for rules, _ in members for door in _doors(rules)]
    body = _shared(any(rules.honest for rules, _ in members), doors) + "".join(_chains(rules) for rules, _ in members)
    elements = {(name, key): value for name, key, value in doors if name not in _SOURCES}
    for rules, endpoints in members:
        elements |= {(name, key): value for each in endpoints for name, key, value in _ports(rules, each)}
    added = "".join(_add(table, name, key, value) for (name, key), value in elements.items())
    return f"{removal(table)}table inet {table} {{\n{body}}}\n{added}"


def join(table: str, rules: BridgeRules, endpoints: Iterable[Endpoint]) -> str:
    """The transaction that adds a bridge which the table, which is there, knows nothing of."""
    text = f"table inet {table} {{\n{_chains(rules)}}}\n" + "".join(_add(table, *each) for each in _doors(rules))
    return text + "".join(line for endpoint in endpoints for line in publish(table, rules, endpoint))


def part(table: str, rules: BridgeRules) -> str:
    """The transaction that takes the bridge out again; its ports have gone before."""
    doors = [f"delete element inet {table} {name} {{ {key} }}\n" for name, key, _ in _doors(rules)]
    return "".join(doors + [f"delete chain inet {table} {name}\n" for name in chains(rules)])


def removal(table: str, family: str = "inet") -> str:
    """The transaction that takes the table away, whether or not it is there."""
    return f"add table {family} {table}\ndelete table {family} {table}\n"


def chains(rules: BridgeRules) -> tuple[str, ...]:
    """The names of the bridge's own chains."""
    if rules.internal:
        return (f"inside_{rules.bridge}", *_translating(rules))
    return (*(f"arrive{_SUFFIX[family]}_{rules.bridge}" for family in rules.families), *_translating(rules))


def bridges_in(objects: Iterable[dict[str, Any]]) -> set[str]:
    """The bridges that a table, given as ``nft -j`` lists it, knows."""
    found = (entry["map"] for entry in objects if "map" in entry)
    doors = [key for each in found if each["name"] in ("arriving", "arriving6") for key, _ in each.get("elem", ())]
    return set(doors)


def _translating(rules: BridgeRules) -> tuple[str, ...]:
    return (f"translate_{rules.bridge}",) if any(not rules.routed(family) for family in rules.families) else ()


def _doors(rules: BridgeRules) -> Iterator[tuple[str, str, str]]:
    """The elements by which packets find the bridge's rules: map or set, key, and value or ""."""
    bridge = f'"{rules.bridge}"'
    translate = f"jump translate_{rules.bridge}"
    if rules.subnet is not None:
        yield "guarded", bridge, ""
    if _translating(rules):
        yield "translated", bridge, translate
    for family, subnet in (("ip", rules.subnet), ("ip6", rules.subnet6)):
        suffix = _SUFFIX[family]
        if subnet is None:
            continue
        yield f"leaving{suffix}", bridge, f"goto inside_{rules.bridge}" if rules.internal else "jump marked"
        yield f"arriving{suffix}", bridge, "drop" if rules.internal else f"goto arrive{suffix}_{rules.bridge}"
        if rules.masquerade and not rules.routed(family):
            yield f"sources{suffix}", str(subnet), translate


_GUARD = """\
    chain guard {
        type filter hook prerouting priority raw; policy accept
        # route_localnet is on for these bridges: without this a container could reach the host's 127.0.0.0/8, or pass
        # for one of these addresses.
        iifname @guarded ip daddr 127.0.0.0/8 drop
        iifname @guarded ip saddr 127.0.0.0/8 drop
    }
"""


def _shared(honest: bool, doors: Iterable[tuple[str, str, str]]) -> str:
    both = "".join(_maps(suffix, _KIND[family], honest, doors) for family, suffix in _SUFFIX.items())
    if_admitted = [f" {_client(family)} @admitted{suffix}" if honest else "" for family, suffix in _SUFFIX.items()]
    lead = "\n".join(f"        fib daddr type local{each} jump publish" for each in dict.fromkeys(if_admitted))
    return f"""\
    set guarded {{
        type ifname
    }}
    # Which address a packet carries that comes to a bridge through a published port, or (``sources``) leaves it.
    map translated {{
        type ifname : verdict
    }}
{both}\
{_ADMISSION if honest else ""}\
{_GUARD}\
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept
        # A frame from outside may name the loopback as its destination: what is published there is for this host alone.
        ip daddr 127.0.0.0/8 return
        ip6 daddr ::1 return
{lead}
    }}
    chain output {{
        type nat hook output priority -100; policy accept
        # No answer would come back to ::1 from the bridge: better refused at once than silent.
        ip6 daddr ::1 return
        fib daddr type local jump publish
    }}
    chain publish {{
        dnat ip to ip daddr . meta l4proto . th dport map @published_on
        meta nfproto ipv4 dnat ip to meta l4proto . th dport map @published
        dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_on6
        meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @published6
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept
        oifname vmap @translated
        ip saddr vmap @sources
        ip6 saddr vmap @sources6
    }}
    chain marked {{
        {_MARKED}
    }}
    chain forward {{
        # Before other tables, which see the mark then.
        type filter hook forward priority filter - 10; policy accept
        meta nfproto ipv6 goto forward6
        iifname vmap @leaving
        oifname vmap @arriving
    }}
    chain forward6 {{
        iifname vmap @leaving6
        oifname vmap @arriving6
    }}
"""


def _maps(suffix: str, kind: str, honest: bool, doors: Iterable[tuple[str, str, str]]) -> str:
    sources = ", ".join(f"{key} : {value}" for name, key, value in doors if name == f"sources{suffix}")
    opened = f"""\
    # The published ports once more, and who may use them: from where, to which address, through which interface.
    set open{suffix} {{
        type inet_proto . inet_service
    }}
    set open_on{suffix} {{
        type {kind} . inet_proto . inet_service
    }}
    set admitted{suffix} {{
        type {kind} . {kind} . inet_proto . inet_service . ifname
        size {_CLIENTS}
        flags dynamic,timeout
        timeout {_ADMITTED_FOR}
    }}
"""
    return f"""\
    # The rules of each bridge for what leaves it, and for what comes to it.
    map leaving{suffix} {{
        type ifname : verdict
    }}
    map arriving{suffix} {{
        type ifname : verdict
    }}
    # Subnets whose packets leave with an address of the host: the same rules.
    map sources{suffix} {{
        type {kind} : verdict
        flags interval
{f"        elements = {{ {sources} }}{chr(10)}" if sources else ""}\
    }}
    # Ports published on every address, and those published on one: where the container listens.
    map published{suffix} {{
        type inet_proto . inet_service : {kind} . inet_service
    }}
    map published_on{suffix} {{
        type {kind} . inet_proto . inet_service : {kind} . inet_service
    }}
    # Published ports that are reached at the address of their container.
    set direct{suffix} {{
        type {kind} . inet_proto . inet_service
    }}
{opened if honest else ""}"""


def _client(family: str) -> str:
    return f"{family} saddr . {family} daddr . meta l4proto . th dport . iifname"


_ADMISSION = f"""\
    chain admission {{
        type filter hook input priority 300; policy accept
        iifname "lo" return
        # What has come this far, the host's own rules have accepted.
        meta nfproto ipv4 ct state new meta l4proto . th dport @open jump admit
        ct state new ip daddr . meta l4proto . th dport @open_on jump admit
        meta nfproto ipv6 ct state new meta l4proto . th dport @open6 jump admit
        ct state new ip6 daddr . meta l4proto . th dport @open_on6 jump admit
    }}
    chain admit {{
        # The client sends it again, and is led to the container then.
        update @admitted {{ {_client("ip")} }} drop
        update @admitted6 {{ {_client("ip6")} }} drop
    }}
"""


def _chains(rules: BridgeRules) -> str:
    text = _inside(rules) if rules.internal else "".join(_arrive(rules, family) for family in rules.families)
    return text + _translate(rules)


def _inside(rules: BridgeRules) -> str:
    return f"""\
    chain inside_{rules.bridge} {{
        {_MARKED}
        oifname "{rules.bridge}" {"accept" if rules.icc else "drop"}
        # Neither to other networks nor, where it arrives, from them.
        drop
    }}
"""


def _arrive(rules: BridgeRules, family: str) -> str:
    translated = "" if rules.routed(family) else "\n        ct status dnat accept"
    return f"""\
    chain arrive{_SUFFIX[family]}_{rules.bridge} {{
        {_MARKED}
        ct state established,related accept{translated}
        iifname "{rules.bridge}" {"accept" if rules.icc else "drop"}
{_from_elsewhere(rules, family)}
    }}
"""


def _from_elsewhere(rules: BridgeRules, family: str) -> str:
    if (rules.mode if family == "ip" else rules.mode6) == UNPROTECTED:
        return "        # From elsewhere every port of a container is reached.\n        accept"
    open_ones = f"{family} daddr . meta l4proto . th dport @direct{_SUFFIX[family]} accept"
    lines = ["# From elsewhere containers are reached through published ports only."]
    if rules.routed(family):
        lines += [open_ones, f"meta l4proto {_ICMP[family]} accept"]
    elif rules.trusted:
        names = ", ".join(f'"{name}"' for name in rules.trusted)
        lines.append(f"iifname {{ {names} }} {open_ones}")
    return "\n".join(f"        {line}" for line in [*lines, "drop"])


def _translate(rules: BridgeRules) -> str:
    if not _translating(rules):
        return ""
    lines = []
    for family, subnet, source in (("ip", rules.subnet, rules.source), ("ip6", rules.subnet6, rules.source6)):
        if subnet is None or rules.routed(family):
            continue
        near = f"{{ {_LOOPBACK[family]}, {subnet} }}"
        lines.append(f'oifname "{rules.bridge}" ct status dnat {family} saddr {near} masquerade')
        if rules.masquerade:
            how = f"snat {family} to {source}" if source else "masquerade"
            lines.append(f'oifname != "{rules.bridge}" {family} saddr {subnet} {how}')
    text = "\n".join(f"        {line}" for line in lines)
    return f"""\
    chain translate_{rules.bridge} {{
        # Through a published port: from the host's loopback, or from a neighbour, whose answer must come back this way.
{text}
    }}
"""


def forget_admissions(table: str) -> str:
    """The transaction that asks the host's rules anew about everybody; the table is an honest one."""
    return "".join(f"flush set inet {table} admitted{suffix}\n" for suffix in _SUFFIX.values())


def publish(table: str, rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that send the endpoint's published ports to it."""
    return [_add(table, *each) for each in dict.fromkeys(_ports(rules, endpoint))]


def withdraw(table: str, rules: BridgeRules, endpoint: Endpoint) -> list[str]:
    """The commands that end it; an element that is not there makes the transaction fail."""
    found = dict.fromkeys(_ports(rules, endpoint))
    return [f"delete element inet {table} {name} {{ {key} }}\n" for name, key, _ in found]


def _add(table: str, name: str, key: str, value: str) -> str:
    return f"add element inet {table} {name} {{ {key}{f' : {value}' if value else ''} }}\n"


def _ports(rules: BridgeRules, endpoint: Endpoint) -> Iterator[tuple[str, str, str]]:
    """The elements of the endpoint's published ports: map or set, key, and value or ""."""
    for port in endpoint.ports:
        key = f"{port.proto} . {port.host_port}"
        family, address = ("ip6", endpoint.ipv6_address) if port.version == 6 else ("ip", endpoint.ip_address)
        suffix = _SUFFIX[family]
        if family not in rules.families or not address:
            continue
        if rules.direct(family):
            # Of several ports of the host that lead to it there is one of these.
            yield f"direct{suffix}", f"{address} . {port.proto} . {port.container_port}", ""
        if rules.routed(family) or not port.host_port:
            continue
        ending = ""
        if port.host_ip not in (ANY, ANY6):
            ending, key = "_on", f"{port.host_ip} . {key}"
        yield f"published{ending}{suffix}", key, f"{address} . {port.container_port}"
        if rules.honest:
            yield f"open{ending}{suffix}", key, ""
