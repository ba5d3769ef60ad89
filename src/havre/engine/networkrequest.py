"""The request to create a network, checked and made a network of. Pure."""

import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from havre.errors import Forbidden, InvalidParameter, NotFound, Unsupported
from havre.lib.ids import new_id
from havre.network.model import PREDEFINED, Network, Pool
from havre.wire.networks import IPAM, IPAMConfig, NetworkCreate

_SWARM_DRIVERS = ("overlay",)
_NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)


def network(body: NetworkCreate) -> Network:
    """What ``body`` asks for. ``InvalidParameter`` and ``Forbidden`` in Docker's words, ``Unsupported`` by name."""
    if not body.name.strip():
        raise InvalidParameter("invalid name: name is empty")
    if body.name in (*PREDEFINED, "default"):
        raise Forbidden(f"operation is not permitted on predefined {body.name} network ")
    driver = body.driver or "bridge"
    _refuse_foreign(body, driver)
    ipam = body.ipam or IPAM()
    pools = _pools(ipam.config or ())
    ipv4, ipv6 = body.enable_ipv4 is not False, body.enable_ipv6 is True
    if not ipv4 and not ipv6:
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    # As with Docker, a subnet of a version that is not enabled means nothing.
    pools = [pool for pool in pools if (ipv4 if pool.version == 4 else ipv6)]
    return Network(
        id=new_id(),
        name=body.name,
        driver=driver,
        created_ns=time.time_ns(),
        pools=tuple(pools),
        options=body.options or {},
        labels=body.labels or {},
        ipv4=ipv4,
        ipv6=ipv6,
        internal=body.internal,
        attachable=body.attachable,
        ipam_options=ipam.options,
    )


def _refuse_foreign(body: NetworkCreate, driver: str) -> None:
    if driver in _SWARM_DRIVERS:
        raise Forbidden(_NO_SWARM)
    if body.scope == "swarm":
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if body.ingress:
        raise Forbidden("Ingress network can only be global scope network")
    if body.config_only:
        raise Unsupported("havre does not implement networks that are only a configuration (ConfigOnly) yet")
    if body.config_from is not None and body.config_from.network:
        raise Unsupported("havre does not implement networks made from a configuration (ConfigFrom) yet")
    if body.ipam is not None and body.ipam.driver not in ("", "default"):
        if body.ipam.driver == "null":
            raise Unsupported("havre does not implement the IPAM driver null yet")
        raise NotFound(f'plugin "{body.ipam.driver}" not found')


def _pools(configs: Sequence[IPAMConfig]) -> list[Pool]:
    wrong: list[str] = []
    pools = [_pool(config, wrong) for config in configs if config != IPAMConfig()]
    if wrong:
        listed = wrong[0] if len(wrong) == 1 else "\n".join(f"* {problem}" for problem in wrong)
        raise InvalidParameter(f"invalid network config:\n{listed}")
    return pools


def _pool(config: IPAMConfig, wrong: list[str]) -> Pool:
    subnet = _network(config.subnet, "subnet", wrong)
    pool = Pool(config.subnet, asked=True)
    if subnet is None:
        return pool
    if config.ip_range:
        _check_range(config.ip_range, subnet, wrong)
    if config.gateway:
        _check_address(config.gateway, f"gateway {config.gateway}", subnet, wrong)
    for name, text in (config.auxiliary_addresses or {}).items():
        _check_address(text, f"auxiliary address {name}", subnet, wrong)
    return Pool(
        subnet=config.subnet,
        gateway=config.gateway,
        ip_range=config.ip_range,
        aux=config.auxiliary_addresses or {},
        asked=True,
        gateway_asked=bool(config.gateway),
    )


def _network(text: str, what: str, wrong: list[str]) -> IPv4Network | IPv6Network | None:
    try:
        found = ip_network(text, strict=False)
        if "/" not in text or "%" in text:
            raise ValueError
    except ValueError:
        wrong.append(f"invalid {what} {text}: invalid CIDR block notation")
        return None
    if what == "subnet" and (not found.prefixlen or found.is_loopback or found.is_multicast):
        wrong.append(f"invalid subnet {text}: it has a meaning of its own")
        return None
    if str(found) != text:
        wrong.append(f"invalid {what} {text}: it should be {found}")
        return None if what == "subnet" else found
    return found


def _check_range(text: str, subnet: IPv4Network | IPv6Network, wrong: list[str]) -> None:
    try:
        found = ip_network(text.replace("%", " "), strict=False)
    except ValueError:
        found = None
    if found is not None and found.version == subnet.version:
        if found.prefixlen < subnet.prefixlen:
            wrong.append(f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}")
        elif found.network_address not in subnet:
            wrong.append(f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range")
    elif found is not None:
        wrong.append(f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range")
    _network(text, "ip-range", wrong)


def _check_address(text: str, what: str, subnet: IPv4Network | IPv6Network, wrong: list[str]) -> None:
    try:
        # Python would take anything behind a percent sign for the name of a zone.
        address = ip_address(text.replace("%", " "))
    except ValueError:
        wrong.append(f"invalid {what}: invalid address")
        return
    if address not in subnet:
        wrong.append(f"invalid {what}: parent subnet {subnet} doesn't contain this address")
