"""Networks that are a mere configuration, and those made from one. Pure.

A configuration is kept as a network is, with the driver ``null``: it has no interface, no rules, and nobody on it.
"""

from collections.abc import Iterable
from dataclasses import replace

from havre.errors import Forbidden, NotFound
from havre.network.model import Network


def adopt(network: Network, others: Iterable[Network]) -> Network:
    """The network with what the configuration it names says; as it is when it names none. ``NotFound``."""
    if not network.config_from:
        return network
    for one in others:
        if one.config_only and one.name == network.config_from:
            return replace(
                network,
                pools=tuple(pool for pool in one.pools if (one.ipv4 if pool.version == 4 else one.ipv6)),
                ipv4=one.ipv4,
                ipv6=one.ipv6,
                options=one.options,
                labels=one.labels,
                ipam_driver=one.ipam_driver,
                ipam_options=one.ipam_options,
            )
    raise NotFound(f'configuration network "{network.config_from}" does not exist')


def check_unused(configuration: Network, others: Iterable[Network]) -> None:
    """``Forbidden`` while a network is made from it."""
    if any(other.config_from == configuration.name for other in others):
        raise Forbidden(f'configuration network "{configuration.name}" is in use')
