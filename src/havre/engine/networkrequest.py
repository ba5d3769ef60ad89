"""The request to create a network, checked and made a network of. Pure."""

import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from havre.errors import Forbidden, InvalidParameter
from havre.lib.booleans import parse_bool
from havre.lib.ids import new_id
from havre.network.model import PREDEFINED, Network, Pool
from havre.wire.networks import IPAM, IPAMConfig, NetworkCreate

_SWARM_DRIVERS = ("overlay",)
_NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)


_OPERATORS = (
    "configuration network can only contain network specific fields. Network operator fields like "
    "[ ingress | internal | attachable | scope ] are not supported."
)
_CONFIGURED = "user specified configurations are not supported if the network depends on a configuration network"
_OPTIONS = "network driver options are not supported if the network depends on a configuration network"
_IPV4, _IPV6 = "com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"


def network(body: NetworkCreate, defaults: Mapping[str, Mapping[str, str]] | None = None) -> Network:
    """What ``body`` asks for; ``defaults`` are the options of networks that do not set them, by driver.

    ``InvalidParameter`` and ``Forbidden`` in Docker's words.
    """
    if not body.name.strip():
        raise InvalidParameter("invalid name: name is empty")
    if body.name in (*PREDEFINED, "default"):
        raise Forbidden(f"operation is not permitted on predefined {body.name} network ")
    driver = body.driver or "bridge"
    _refuse_foreign(body, driver)
    ipam = body.ipam or IPAM()
    pools = _pools(ipam.config or ())
    options = body.options or {}
    config_from = body.config_from.network if body.config_from is not None else ""
    if not config_from:
        options = {**(defaults or {}).get(driver, {}), **options}
    ipv4, ipv6 = _enabled(body.enable_ipv4, options, _IPV4, True), _enabled(body.enable_ipv6, options, _IPV6, False)
    if body.config_only:
        _check_configuration(body, config_from)
    elif config_from:
        _check_use(body, ipv4, ipv6)
    if not body.config_only:
        # As with Docker, a subnet of a version that is not enabled means nothing.
        pools = [pool for pool in pools if (ipv4 if pool.version == 4 else ipv6)]
    return Network(
        id=new_id(),
        name=body.name,
        # Docker keeps no driver of a configuration either.
        driver="null" if body.config_only else driver,
        created_ns=time.time_ns(),
        pools=tuple(pools),
        options=options,
        labels=body.labels or {},
        ipv4=ipv4,
        ipv6=ipv6,
        internal=body.internal,
        attachable=body.attachable,
        ipam_options=ipam.options,
        ipam_driver=ipam.driver or "default",
        config_only=body.config_only,
        config_from=config_from,
    )


def _refuse_foreign(body: NetworkCreate, driver: str) -> None:
    if driver in _SWARM_DRIVERS:
        raise Forbidden(_NO_SWARM)
    if body.config_only:
        return
    if body.scope == "swarm":
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if body.ingress:
        raise Forbidden("Ingress network can only be global scope network")


def _enabled(asked: bool | None, options: Mapping[str, str], key: str, default: bool) -> bool:
    """Whether the network has an IP version; the request counts more than the option."""
    option = parse_bool(options[key]) if key in options else default
    if option is None:
        raise InvalidParameter(f'driver-opt "{key}" is not a valid bool')
    return option if asked is None else asked


def _check_configuration(body: NetworkCreate, config_from: str) -> None:
    if body.ingress or body.internal or body.attachable or body.scope == "swarm":
        raise Forbidden(_OPERATORS)
    if config_from:
        raise Forbidden("a configuration network cannot depend on another configuration network")


def _check_use(body: NetworkCreate, ipv4: bool, ipv6: bool) -> None:
    """What a network takes from a configuration it cannot say itself."""
    if body.options:
        raise Forbidden(_OPTIONS)
    ipam = body.ipam or IPAM()
    if ipam.config or ipam.options or ipam.driver not in ("", "default") or body.labels or ipv6 or not ipv4:
        raise Forbidden(_CONFIGURED)


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
