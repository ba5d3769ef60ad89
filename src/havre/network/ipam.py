"""Addresses: which network is free on this host, and who on it has which address. No I/O."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from havre.errors import Forbidden, InvalidParameter, Unavailable

AnyNetwork = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address

EXHAUSTED = "all predefined address pools have been fully subnetted"


@dataclass(frozen=True, slots=True)
class BasePool:
    """A range that networks of nobody's choice are cut from, in pieces of ``size`` bits of prefix."""

    base: AnyNetwork
    size: int


# /24s: 3,584 of them, where Docker's own /16s and /20s are 31.
DEFAULT_POOLS = tuple(
    BasePool(IPv4Network(base), 24)
    for base in ("172.30.0.0/15", "172.28.0.0/15", "172.24.0.0/14", "172.20.0.0/14", "172.18.0.0/15", "192.168.0.0/16")
)


def candidates() -> Iterator[IPv4Network]:
    """Private networks to try, in order: 172.29–31, 172.18–28 (each /16), then 192.168.192–255 (each /24)."""
    for second in (29, 30, 31, *range(18, 29)):
        yield IPv4Network((f"172.{second}.0.0", 16))
    for third in range(192, 256):
        yield IPv4Network((f"192.168.{third}.0", 24))


def free_network(busy: Iterable[IPv4Network]) -> IPv4Network:
    """The first candidate that overlaps none of ``busy`` (the host's routes and addresses)."""
    taken = list(busy)
    for candidate in candidates():
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise Unavailable(
        "could not find an available, non-overlapping IPv4 network for the default bridge: give one with --bip"
    )


def free_piece(pools: Sequence[BasePool], busy: Iterable[AnyNetwork], version: int) -> AnyNetwork:
    """The first piece of the pools of that IP version that overlaps none of ``busy``. ``InvalidParameter`` if none."""
    taken = sorted(
        (int(other.network_address), int(other.broadcast_address)) for other in busy if other.version == version
    )
    for pool in pools:
        if pool.base.version != version:
            continue
        step = 1 << (pool.base.max_prefixlen - pool.size)
        first, end = int(pool.base.network_address), int(pool.base.broadcast_address)
        for low, high in taken:
            # They come in order: what overlaps the candidate moves it behind its own end.
            if high >= first and low < first + step:
                first += ((high - first) // step + 1) * step
        if first + step - 1 <= end:
            kind: type[IPv4Network] | type[IPv6Network] = IPv4Network if version == 4 else IPv6Network
            return kind((first, pool.size))
    raise InvalidParameter(EXHAUSTED)


def local_pool(seed: str) -> BasePool:
    """The IPv6 range of this daemon's own (RFC 4193): always the same for ``seed``, nobody else's in all likelihood."""
    number = hashlib.sha256(seed.encode()).digest()[:5]
    return BasePool(IPv6Network((b"\xfd" + number + bytes(10), 48)), 64)


def mac_of(address: IPv4Address) -> str:
    """The MAC address that goes with an IPv4 address: the same for ever, so no neighbour ever holds a stale pair."""
    return "02:42:" + address.packed.hex(":")


def mac_from(text: str) -> str:
    """A MAC address for an endpoint without IPv4, out of its id."""
    return "02:" + bytes.fromhex(text[:10]).hex(":")


class AddressPool:
    """The addresses of one subnet. A lease is the next free one behind the last, so that none is reused at once.

    Leases are of ``within``, by default the whole subnet.
    """

    def __init__(
        self,
        network: AnyNetwork,
        reserved: Iterable[AnyAddress],
        cursor: int = 0,
        within: AnyNetwork | None = None,
    ) -> None:
        self._network = network
        self._kind: type[IPv4Address] | type[IPv6Address] = IPv4Address if network.version == 4 else IPv6Address
        tiny = network.prefixlen >= network.max_prefixlen - 1
        self._lowest = int(network.network_address) + (0 if tiny else 1)
        # IPv6 has no broadcast address.
        self._highest = int(network.broadcast_address) - (0 if tiny or network.version == 6 else 1)
        part = within or network
        self._first = max(int(part.network_address), self._lowest)
        self._last = min(int(part.broadcast_address), self._highest)
        self._taken = {int(address) for address in reserved}
        self.cursor = cursor if self._first <= cursor <= self._last else self._first - 1

    def __len__(self) -> int:
        return len(self._taken)

    def lease(self) -> AnyAddress:
        """The next free address behind ``cursor``, around the end of the range if need be."""
        size = self._last - self._first + 1
        # No more steps than there may be taken addresses in the way: an IPv6 subnet is not searched to its end.
        for step in range(1, min(size, len(self._taken) + 1) + 1):
            number = self._first + (self.cursor - self._first + step) % size
            if number not in self._taken:
                self._taken.add(number)
                self.cursor = number
                return self._kind(number)
        raise Unavailable(
            f"no available IPv{self._network.version} addresses on this network's address pools: {self._network}"
        )

    def take(self, address: AnyAddress) -> None:
        """Lease exactly ``address``."""
        number = int(address)
        if address.version != self._network.version or not self._lowest <= number <= self._highest:
            raise InvalidParameter(f"no configured subnet contains IP address {address}")
        if number in self._taken:
            raise Forbidden("Address already in use")
        self._taken.add(number)

    def give_back(self, address: AnyAddress) -> None:
        self._taken.discard(int(address))


def overlapping(network: AnyNetwork, others: Iterable[str]) -> bool:
    """Whether the network shares addresses with one of ``others`` (subnets as text)."""
    for text in others:
        other = ip_network(text)
        if other.version == network.version and network.overlaps(other):
            return True
    return False
