"""``NetworkingConfig``: what a container asks of its networks, checked."""

import ipaddress
import re
from collections.abc import Callable, Sequence

import msgspec

from havre.engine.container.network import interface_name
from havre.errors import InvalidParameter
from havre.network.model import PREDEFINED, Network
from havre.wire.containers import ContainerConfig, EndpointIPAMConfig, EndpointSettings, HostConfig, NetworkingConfig

_MAC = re.compile(r"[0-9a-fA-F]{2}(([:-])[0-9a-fA-F]{2}(\2[0-9a-fA-F]{2}){4})")
_SYSCTLS = "com.docker.network.endpoint.sysctls"
_SYSCTL = re.compile(r"net\.([a-z0-9]+)\.([a-z]+)\.IFNAME\.([a-z0-9_]+)=([^,/]*)")
_INTERFACE = re.compile(r"[^\s/:%\0]+")
# Bytes, as the kernel has them.
_LONGEST_INTERFACE = 15
_OWN_SUBNETS = "user specified IP address is supported only when connecting to networks with user configured subnets"
_ALONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"
_SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"

# The network of a name or id, None if there is none.
Lookup = Callable[[str], Network | None]


def of(
    config: ContainerConfig, host: HostConfig, networking: NetworkingConfig, lookup: Lookup
) -> dict[str, EndpointSettings]:
    """The endpoints of the record, by network; none in another container's network, and where there is to be none."""
    mode = host.network_mode
    if mode.startswith("container:") or config.network_disabled:
        return {}
    asked = {
        name_of(name, lookup): settings or EndpointSettings()
        for name, settings in (networking.endpoints_config or {}).items()
    }
    main = name_of(mode, lookup)
    _check_company(main, asked)
    if config.mac_address and not asked.get(main, EndpointSettings()).mac_address:
        mine = asked.get(main, EndpointSettings())
        asked[main] = msgspec.structs.replace(mine, mac_address=config.mac_address)
    endpoints = asked or {main: EndpointSettings()}
    for name, settings in endpoints.items():
        _check_options(name, settings)
        if found := problems(lookup(name), name, settings):
            raise InvalidParameter(f"invalid config for network {name}: {explain(found)}")
        if settings.mac_address and name != "none":
            check_mac(name, settings.mac_address)
    return endpoints


def name_of(reference: str, lookup: Lookup) -> str:
    """The name of the network that ``reference`` means; itself if there is none."""
    found = lookup("bridge" if reference == "default" else reference)
    return found.name if found is not None else reference


def sysctls(settings: EndpointSettings, interface: str = "") -> list[tuple[str, str]]:
    """The kernel parameters asked for its interface, which is called that: names written with slashes, and values."""
    found = []
    interface = interface or interface_name(settings) or "eth0"
    for text in ((settings.driver_opts or {}).get(_SYSCTLS) or "").split(","):
        if not text:
            continue
        match = _SYSCTL.fullmatch(text)
        if match is None:
            raise InvalidParameter(f"invalid value for {_SYSCTLS}: {text!r}: net.*.*.IFNAME.name=value is wanted")
        found.append((f"net/{match[1]}/{match[2]}/{interface}/{match[3]}", match[4]))
    return found


def problems(network: Network | None, name: str, settings: EndpointSettings) -> list[str]:
    """What is wrong with the settings of an endpoint on a network, in Docker's words; ``network`` None: not there."""
    found = []
    ipam = settings.ipam_config or EndpointIPAMConfig()
    if settings.aliases and name in PREDEFINED:
        found.append("network-scoped alias is supported only for containers in user defined networks")
    if (ipam.ipv4_address or ipam.ipv6_address) and name in PREDEFINED:
        found.append("user specified IP address is supported on user defined networks only")
    for version, text in ((4, ipam.ipv4_address), (6, ipam.ipv6_address)):
        if text:
            found += _address_problems(network, version, text)
    found += [f"invalid link-local IP address: {text}" for text in ipam.link_local_ips or () if not _link_local(text)]
    return found


def _link_local(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.ip_address(text).is_link_local
    except ValueError:
        return False


def _address_problems(network: Network | None, version: int, text: str) -> list[str]:
    found = []
    try:
        # Python would take anything behind a percent sign for the name of a zone.
        address = ipaddress.ip_address(text.replace("%", " "))
    except ValueError:
        address = None
    if address is None or address.version != version:
        found.append(f"invalid IPv{version} address: {text}")
    if network is None:
        return found
    # The subnet of the default bridge is always the daemon's configuration.
    pools = [pool for pool in network.pools_of(version) if pool.asked or network.predefined]
    if not pools:
        found.append(_OWN_SUBNETS)
    elif address is None or not any(address in ipaddress.ip_network(pool.subnet) for pool in pools):
        found.append(f"no configured subnet or ip-range contain the IP address {text}")
    return found


def explain(problems: Sequence[str]) -> str:
    """Docker's text for what is wrong with an endpoint's settings."""
    listed = problems[0] if len(problems) == 1 else "\n".join(f"* {problem}" for problem in problems)
    return f"invalid endpoint settings:\n{listed}"


def check(network: Network, settings: EndpointSettings) -> None:
    """Refuse settings that no endpoint on the network can have. ``InvalidParameter``, ``Unsupported``."""
    _check_options(network.name, settings)
    if found := problems(network, network.name, settings):
        raise InvalidParameter(explain(found))
    if settings.mac_address and not _MAC.fullmatch(settings.mac_address):
        raise InvalidParameter(f"invalid MAC address {settings.mac_address}")
    if settings.mac_address:
        check_mac(network.name, settings.mac_address)


def check_company(mode: str, name: str) -> None:
    """Refuse to connect a container of that network mode to the network ``name``, where Docker does."""
    if mode.startswith("container:") or mode == "host":
        raise InvalidParameter(_SHARED)
    if name == "host":
        raise InvalidParameter(
            "cannot connect container to host network - container must be created in host network mode"
        )
    if "none" in (mode, name):
        raise InvalidParameter(_ALONE)


def _check_company(mode: str, asked: dict[str, EndpointSettings]) -> None:
    others = set(asked) - {mode}
    if others and (mode == "host" or "host" in others):
        raise InvalidParameter(_SHARED)
    if others and (mode == "none" or "none" in others):
        raise InvalidParameter(_ALONE)


def _check_options(name: str, settings: EndpointSettings) -> None:
    if settings.links and name in ("host", "none"):
        raise InvalidParameter(f"links are not supported on network {name}")
    interface = interface_name(settings)
    if interface and not _can_be_an_interface(interface):
        raise InvalidParameter(f"invalid config for network {name}: no interface can be called {interface!r}")
    if sysctls(settings) and name in ("host", "none"):
        raise InvalidParameter(
            f"invalid config for network {name}: {_SYSCTLS} needs an interface of the container's own"
        )


def _can_be_an_interface(name: str) -> bool:
    if not _INTERFACE.fullmatch(name) or len(name.encode()) > _LONGEST_INTERFACE:
        return False
    return name not in (".", "..", "lo", "all", "default")


def check_mac(name: str, mac: str) -> None:
    """Refuse a MAC address that no interface can have."""
    if not _MAC.fullmatch(mac):
        raise InvalidParameter(f"invalid config for network {name}: invalid MAC address {mac}")
    if name == "host":
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if int(mac[:2], 16) & 1:
        raise InvalidParameter(f"invalid config for network {name}: MAC address {mac} is a multicast address")
    if not mac.strip("0:-."):
        raise InvalidParameter(f"invalid config for network {name}: MAC address {mac} is nobody's")
