"""The rules of a bridge as nft text. No I/O: ``tables`` keeps them in force.

Each bridge has one table of its own, ``ip havre_<bridge>``; nothing outside it is ever read or written. What differs
from container to container are elements of two maps, so a start or stop costs the same with one container or thousands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from havre.network.model import Endpoint
from havre.network.ports import ANY


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """What a bridge's rules depend on."""

    bridge: str
    subnet: IPv4Network
    icc: bool

    @property
    def table(self) -> str:
        return table_of(self.bridge)


def table_of(bridge: str) -> str:
    """The name of the bridge's table."""
    return f"havre_{bridge}"


def ruleset(rules: BridgeRules, endpoints: Iterable[Endpoint]) -> str:
    """One transaction that puts the whole table in place of whatever was there, with the ports of ``endpoints``."""
    bridge, subnet, table = f'"{rules.bridge}"', rules.subnet, rules.table
    neighbours = "accept" if rules.icc else "drop"
    elements = [line for endpoint in endpoints for line in publish(rules.table, endpoint)]
    return f"""\
add table ip {table}
delete table ip {table}
table ip {table} {{
    # Ports published on every address, and those published on one: where the container listens.
    map published {{
        type inet_proto . inet_service : ipv4_addr . inet_service
    }}
    map published_on {{
        type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
    }}
    chain guard {{
        type filter hook prerouting priority raw; policy accept
        # route_localnet is on for this bridge: without this a container could reach the host's 127.0.0.0/8.
        iifname {bridge} ip daddr 127.0.0.0/8 drop
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept
        # A frame from outside may name 127.0.0.1 as its destination: what is published there is for this host alone.
        ip daddr 127.0.0.0/8 return
        fib daddr type local jump publish
    }}
    chain output {{
        type nat hook output priority -100; policy accept
        fib daddr type local jump publish
    }}
    chain publish {{
        dnat ip to ip daddr . meta l4proto . th dport map @published_on
        dnat ip to meta l4proto . th dport map @published
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept
        # Through a published port: from the host's loopback, or from a neighbour, whose answer must come back this way.
        oifname {bridge} ct status dnat ip saddr {{ 127.0.0.0/8, {subnet} }} masquerade
        oifname != {bridge} ip saddr {subnet} masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept
        oifname != {bridge} accept
        ct state established,related accept
        ct status dnat accept
        iifname {bridge} {neighbours}
        # From elsewhere containers are reached through published ports only.
        drop
    }}
}}
{"".join(elements)}"""


def publish(table: str, endpoint: Endpoint) -> list[str]:
    """The commands that send the endpoint's published ports to it."""
    return [
        f"add element ip {table} {name} {{ {key} : {endpoint.ip_address} . {container_port} }}\n"
        for name, key, container_port in _elements(endpoint)
    ]


def withdraw(table: str, endpoint: Endpoint) -> list[str]:
    """The commands that end it; an element that is not there makes the transaction fail."""
    return [f"delete element ip {table} {name} {{ {key} }}\n" for name, key, _ in _elements(endpoint)]


def removal(bridge: str) -> str:
    """The transaction that takes the bridge's table away, whether or not it is there."""
    table = table_of(bridge)
    return f"add table ip {table}\ndelete table ip {table}\n"


def _elements(endpoint: Endpoint) -> list[tuple[str, str, int]]:
    found = []
    for port in endpoint.ports:
        key = f"{port.proto} . {port.host_port}"
        if port.host_ip == ANY:
            found.append(("published", key, port.container_port))
        else:
            found.append(("published_on", f"{port.host_ip} . {key}", port.container_port))
    return found
