"""The addresses of one network: its subnets, chosen or completed, and what is leased of them. No I/O."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from havre.errors import Forbidden, InvalidParameter, NotFound
from havre.network.ipam import (
    DEFAULT_POOLS,
    AddressPool,
    AnyAddress,
    AnyNetwork,
    free_piece,
    local_pool,
    overlapping,
)
from havre.network.model import EndpointRequest, Network, Pool
from havre.network.settings import NetworkSettings


def check(network: Network, taken: Sequence[str]) -> None:
    """Refuse a network without addresses, subnets that others have, and addresses that nobody here gives out.

    ``taken`` are the subnets of the other networks.
    """
    if not network.ipv4 and not network.ipv6:
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    if network.ipam_driver == "null":
        if network.pools:
            raise InvalidParameter("null ipam driver does not handle specific address pool requests")
        raise InvalidParameter(f"ipv{4 if network.ipv4 else 6} pool is empty")
    if network.ipam_driver != "default":
        raise NotFound(f'plugin "{network.ipam_driver}" not found')
    for pool in network.pools:
        if overlapping(ip_network(pool.subnet), taken):
            raise Forbidden("invalid pool request: Pool overlaps with other one on this address space")


def choose(
    network: Network,
    settings: NetworkSettings,
    gateways: bool,
    busy: Sequence[AnyNetwork],
    taken: Sequence[str],
) -> tuple[Pool, ...]:
    """The network's subnets, IPv4 before IPv6: those asked for, else free ones, each completed by a gateway if there
    are to be ``gateways``.

    ``busy`` is what the host has routes to, ``taken`` what other networks have.
    """
    others = [*busy, *(ip_network(text) for text in taken)]
    pools = []
    for version, wanted in ((4, network.ipv4), (6, network.ipv6)):
        if not wanted:
            continue
        given = network.pools_of(version)
        if given:
            pools += [_completed(pool, gateways) for pool in given]
            continue
        bases = settings.pools or (*DEFAULT_POOLS, local_pool(settings.seed))
        if version == 6 and not any(base.base.version == 6 for base in bases):
            bases = (local_pool(settings.seed),)
        pools.append(_completed(Pool(str(free_piece(bases, others, version))), gateways))
    return tuple(pools)


def prefix(network: Network, version: int) -> int:
    """How many bits of an address of that IP version are its subnet's."""
    return next(int(pool.subnet.partition("/")[2]) for pool in network.pools_of(version))


def _completed(pool: Pool, gateways: bool) -> Pool:
    within = ip_network(pool.ip_range or pool.subnet)
    reserved = {ip_address(address) for address in pool.aux.values()}
    addresses = AddressPool(ip_network(pool.subnet), reserved, within=within)
    if pool.gateway:
        addresses.take(ip_address(pool.gateway))
        return pool
    return replace(pool, gateway=str(addresses.lease())) if gateways else pool


class Addresses:
    """What is leased of one network. ``cursor`` is the IPv4 address leased last, as a number."""

    def __init__(self, network: Network, cursor: int) -> None:
        self._pools = {
            version: _address_pool(pools[0], cursor if version == 4 else 0)
            for version in (4, 6)
            if (pools := network.pools_of(version))
        }

    @property
    def cursor(self) -> int:
        return self._pools[4].cursor if 4 in self._pools else 0

    def lease(self, request: EndpointRequest) -> tuple[str, str]:
        """An IPv4 and an IPv6 address, "" where the network has no subnet; those of ``request``, or free ones."""
        leased = []
        try:
            for version, asked in ((4, request.ipv4), (6, request.ipv6)):
                pool = self._pools.get(version)
                if pool is None:
                    leased.append("")
                elif asked:
                    pool.take(ip_address(asked))
                    leased.append(str(ip_address(asked)))
                else:
                    leased.append(str(pool.lease()))
        except BaseException:
            self.give_back(*leased)
            raise
        return leased[0], leased[1]

    def take(self, address: str) -> None:
        """Lease exactly ``address``. ``InvalidParameter``, ``Forbidden``."""
        parsed = ip_address(address)
        if parsed.version in self._pools:
            self._pools[parsed.version].take(parsed)

    def give_back(self, *addresses: str) -> None:
        for address in filter(None, addresses):
            parsed = ip_address(address)
            if parsed.version in self._pools:
                self._pools[parsed.version].give_back(parsed)


def _address_pool(pool: Pool, cursor: int) -> AddressPool:
    reserved: list[AnyAddress] = [ip_address(text) for text in (pool.gateway, *pool.aux.values()) if text]
    within = ip_network(pool.ip_range) if pool.ip_range else None
    return AddressPool(ip_network(pool.subnet), reserved, cursor, within)
