"""Through which of its networks a container reaches everything else. Pure."""

from collections.abc import Iterable, Sequence

from havre.network.model import Endpoint, EndpointRequest, Network, PublishedPort

VERSIONS = (4, 6)


def gateway(endpoint: Endpoint, version: int) -> str:
    """The endpoint's gateway of that IP version, or ""."""
    return endpoint.gateway if version == 4 else endpoint.ipv6_gateway


def chosen(endpoints: Iterable[Endpoint], version: int) -> Endpoint | None:
    """As with Docker: the one of the highest priority, of several the first by its network's name."""
    fit = [endpoint for endpoint in endpoints if gateway(endpoint, version)]
    return min(fit, key=lambda endpoint: (-endpoint.priority, endpoint.network_name), default=None)


def ports(endpoint: Endpoint, version: int) -> tuple[PublishedPort, ...]:
    """What it publishes on addresses of that IP version."""
    return tuple(port for port in endpoint.ports if port.version == version)


def heirs(rest: Iterable[Endpoint], leaving: Endpoint) -> list[tuple[str, str]]:
    """Where the default routes that lead through ``leaving`` lead when it is gone: interfaces and gateways."""
    rest, found = list(rest), []
    for version in VERSIONS:
        heir = chosen(rest, version)
        if heir is not None and chosen([*rest, leaving], version) is leaving:
            found.append((heir.interface, gateway(heir, version)))
    return found


def interface(prefix: str, endpoints: Iterable[Endpoint]) -> str:
    """The first name of an interface, ``prefix`` and a number, that none of ``endpoints`` has."""
    used = {endpoint.interface for endpoint in endpoints}
    return next(name for number in range(len(used) + 1) if (name := f"{prefix}{number}") not in used)


def publishes(network: Network, request: EndpointRequest, others: Sequence[Endpoint]) -> bool:
    """Whether the ports of ``request`` are published at once: where the default route leads, if they are not yet.

    Those that are move there when it changes, those on IPv6 with the route of IPv6.
    """
    if network.internal or any(other.ports for other in others):
        return False
    new = Endpoint(
        network.id,
        network.name,
        "",
        "",
        gateway=network.gateway,
        ipv6_gateway=next((pool.gateway for pool in network.pools_of(6)), ""),
        priority=request.priority,
    )
    return not others or (chosen([*others, new], 4) or chosen([*others, new], 6)) is new
