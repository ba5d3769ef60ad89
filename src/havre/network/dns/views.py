"""Which names a container may use, and what they stand for: Docker's rules. No I/O."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from havre.network.dns import codec
from havre.network.dns.codec import AAAA, ANY, PTR, A, Query

if TYPE_CHECKING:
    from typing import Any

Records = list[tuple[int, bytes]]
# A name has several addresses where containers share an alias; none, where no container has it.
Addresses = list[tuple[int, bytes]]


class Network:
    """The names on one network. ``document`` is ``tables.network``'s."""

    __slots__ = ("internal", "name", "names", "pointers")

    def __init__(self, document: dict[str, Any]) -> None:
        self.name = str(document["name"]).lower()
        self.internal = bool(document["internal"])
        self.names: dict[str, Addresses] = {}
        self.pointers: dict[str, bytes] = {}
        for names, ipv4, ipv6 in document["members"]:
            addresses: Addresses = []
            if ipv4:
                addresses.append((A, socket.inet_pton(socket.AF_INET, ipv4)))
            if ipv6:
                addresses.append((AAAA, socket.inet_pton(socket.AF_INET6, ipv6)))
            for name in {name.lower() for name in names}:
                self.names.setdefault(name, []).extend(addresses)
            self._point(addresses, [*names[:1], f"{names[0]}.{document['name']}"] if names else [])

    def _point(self, addresses: Addresses, names: list[str]) -> None:
        # The full name, unless the network's cannot be a part of one.
        for name in names:
            try:
                target = codec.encode_name(name)
            except codec.Malformed:
                continue
            for _, address in addresses:
                self.pointers[reverse(address)] = target


class View:
    """What one set of networks and links shows; containers of the same share it.

    ``places`` are its networks, in the order they are asked, each with the links there: an alias and a name.
    """

    __slots__ = ("_places", "answers", "forwards")

    def __init__(self, places: list[tuple[Network, dict[str, str]]]) -> None:
        self._places = places
        # Only a container that reaches nothing but internal networks has nobody answer for the world outside.
        self.forwards = any(not network.internal for network, _ in places)
        # Complete responses, but their number, by the question's bytes: whoever fills it keeps it small.
        self.answers: dict[bytes, tuple[bytes, ...]] = {}

    def records(self, query: Query) -> Records | None:
        """What is known of the name asked for; [] when there are only other types; None when no container has it."""
        if query.klass != codec.INTERNET:
            return None
        if query.kind == PTR:
            for network, _ in self._places:
                if query.name in network.pointers:
                    return [(PTR, network.pointers[query.name])]
        addresses = self._addresses(query.name)
        if addresses is None:
            return None
        return [each for each in addresses if query.kind in (each[0], ANY)]

    def _addresses(self, name: str) -> Addresses | None:
        for host, where in _readings(name):
            places = [place for place in self._places if where in ("", place[0].name)]
            for network, links in places:
                if host in links and (found := network.names.get(links[host])) is not None:
                    return found
            for network, links in places:
                if host not in links and (found := network.names.get(host)) is not None:
                    return found
        return None


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """The ways to read a name as a container's and a network's, of which both may hold dots."""
    yield name, ""
    end = name.rfind(".")
    while end > 0:
        yield name[:end], name[end + 1 :]
        end = name.rfind(".", 0, end)


def reverse(address: bytes) -> str:
    """The name under which the owner of an address is looked up."""
    if len(address) == 4:
        return ".".join(str(byte) for byte in reversed(address)) + ".in-addr.arpa"
    return ".".join(reversed(address.hex())) + ".ip6.arpa"


def rotations(records: Records) -> Iterator[Records]:
    """The records, each in turn in front."""
    for start in range(max(1, len(records))):
        yield records[start:] + records[:start]
