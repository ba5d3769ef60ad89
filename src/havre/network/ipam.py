"""Addresses: which private network is free on this host, and who on it has which address. No I/O."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from havre.errors import InvalidParameter, Unavailable


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


def mac_of(address: IPv4Address) -> str:
    """The MAC address that goes with an IPv4 address: the same for ever, so no neighbour ever holds a stale pair."""
    return "02:42:" + address.packed.hex(":")


class AddressPool:
    """The addresses of one network. A lease is the next free one behind the last, so that none is reused at once."""

    def __init__(self, network: IPv4Network, reserved: Iterable[IPv4Address], cursor: int = 0) -> None:
        self._network = network
        self._first = int(network.network_address) + 1
        self._last = int(network.broadcast_address) - 1
        self._taken = {int(address) for address in reserved}
        self.cursor = cursor if self._first <= cursor <= self._last else self._first - 1

    def __len__(self) -> int:
        return len(self._taken)

    def lease(self) -> IPv4Address:
        """The next free address behind ``cursor``, around the end of the network if need be."""
        size = self._last - self._first + 1
        for step in range(1, size + 1):
            number = self._first + (self.cursor - self._first + step) % size
            if number not in self._taken:
                self._taken.add(number)
                self.cursor = number
                return IPv4Address(number)
        raise Unavailable(f"no available IPv4 addresses on this network's address pool: {self._network}")

    def take(self, address: IPv4Address) -> None:
        """Lease exactly ``address``."""
        number = int(address)
        if not self._first <= number <= self._last:
            raise InvalidParameter(f"no configured subnet contains IP address {address}")
        if number in self._taken:
            raise InvalidParameter("Address already in use")
        self._taken.add(number)

    def give_back(self, address: IPv4Address) -> None:
        self._taken.discard(int(address))
