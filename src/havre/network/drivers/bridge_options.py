"""What a bridge network is told by ``-o``: Docker's ``com.docker.network.…`` options, read and checked. No I/O.

Options of other names are kept and mean nothing, as with Docker.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from havre.errors import InvalidParameter, SystemFault
from havre.lib.booleans import parse_bool
from havre.network.firewall import NAT, ROUTED, UNPROTECTED, BridgeRules
from havre.network.model import Network, check_bridge_name
from havre.network.settings import NetworkSettings

NAME = "com.docker.network.bridge.name"
_MTU = "com.docker.network.driver.mtu"
_IPV6_MTU = 1280
_ICC = "com.docker.network.bridge.enable_icc"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_HOST_IP = "com.docker.network.bridge.host_binding_ipv4"
_INHIBIT = "com.docker.network.bridge.inhibit_ipv4"
_PREFIX = "com.docker.network.container_iface_prefix"
_MODES = {4: "com.docker.network.bridge.gateway_mode_ipv4", 6: "com.docker.network.bridge.gateway_mode_ipv6"}
_SOURCES = {4: "com.docker.network.host_ipv4", 6: "com.docker.network.host_ipv6"}
_TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"
_ISOLATED = "isolated"
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_INTERFACE_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,11}")


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """The options in force. ``name`` "" is for the driver to choose; ``isolated``: the bridge has no address.

    ``source`` and ``source6`` are addresses of the host that what leaves carries; "" is for the kernel to choose.
    ``mode`` and ``mode6`` are gateway modes, as ``firewall`` explains them, ``trusted`` interfaces of the host.
    """

    mtu: int
    icc: bool
    masquerade: bool
    host_ip: str
    name: str = ""
    prefix: str = "eth"
    isolated: bool = False
    source: str = ""
    source6: str = ""
    mode: str = NAT
    mode6: str = NAT
    trusted: tuple[str, ...] = ()


def read(options: Mapping[str, str], settings: NetworkSettings, internal: bool) -> BridgeOptions:
    """The options of one network. ``InvalidParameter`` in Docker's words."""
    bridge = options.get(NAME, "")
    if bridge:
        check_bridge_name(bridge)
    prefix = options.get(_PREFIX, "") or "eth"
    if not _INTERFACE_PREFIX.fullmatch(prefix):
        raise InvalidParameter(f"invalid interface prefix {prefix!r}")
    modes = {version: _mode(name, options.get(name, ""), internal) for version, name in _MODES.items()}
    return BridgeOptions(
        mtu=_mtu(options.get(_MTU, "")) or settings.mtu,
        icc=_flag(_ICC, options, True),
        masquerade=_flag(_MASQUERADE, options, True),
        host_ip=_address(_HOST_IP, options, 4) or settings.host_ip,
        name=bridge,
        prefix=prefix,
        isolated=_ISOLATED in modes.values() or _flag(_INHIBIT, options, False),
        source=_address(_SOURCES[4], options, 4),
        source6=_address(_SOURCES[6], options, 6),
        mode=NAT if modes[4] == _ISOLATED else modes[4],
        mode6=NAT if modes[6] == _ISOLATED else modes[6],
        trusted=_interfaces(options.get(_TRUSTED, "")),
    )


def rules(network: Network, options: BridgeOptions) -> BridgeRules:
    """What the options say of the bridge's rules."""
    four, six = network.pools_of(4), network.pools_of(6)
    return BridgeRules(
        bridge=network.interface,
        subnet=IPv4Network(four[0].subnet) if four else None,
        icc=options.icc,
        internal=network.internal,
        masquerade=options.masquerade,
        subnet6=IPv6Network(six[0].subnet) if six else None,
        source=options.source,
        source6=options.source6,
        mode=options.mode,
        mode6=options.mode6,
        trusted=options.trusted,
    )


def _mode(name: str, mode: str, internal: bool) -> str:
    if mode in ("", NAT, ROUTED, UNPROTECTED):
        return mode or NAT
    if mode == _ISOLATED:
        if not internal:
            raise SystemFault("gateway mode 'isolated' can only be used for an internal network")
        return mode
    raise InvalidParameter(f"failed to parse {name} value: {mode} (unknown gateway mode {mode})")


def _interfaces(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in text.split(":") if name))
    for name in names:
        if not _INTERFACE.fullmatch(name):
            raise InvalidParameter(f"invalid interface name {name!r} in {_TRUSTED}")
    return names


def _flag(name: str, options: Mapping[str, str], default: bool) -> bool:
    text = options.get(name)
    if text is None:
        return default
    if (value := parse_bool(text)) is not None:
        return value
    reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
    raise InvalidParameter(f"failed to parse {name} value: {text} ({reason})")


def check_mtu(options: BridgeOptions, ipv6: bool) -> None:
    """Refuse an MTU that the network's IP versions cannot do with: below it the kernel has no IPv6 (RFC 8200)."""
    if ipv6 and options.mtu < _IPV6_MTU:
        raise InvalidParameter(f"invalid MTU {options.mtu}: a network with IPv6 needs {_IPV6_MTU} at least")


def _mtu(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[+-]?[0-9]{1,9}", text):
        raise InvalidParameter(f'failed to parse {_MTU} value: {text} (strconv.Atoi: parsing "{text}": invalid syntax)')
    number = int(text)
    if number < 0 or number > 65_535 or 0 < number < 68:
        raise InvalidParameter(f"invalid MTU number: {number}")
    return number


def _address(name: str, options: Mapping[str, str], version: int) -> str:
    text = options.get(name, "")
    if text:
        with suppress(ValueError):
            return str(IPv4Address(text) if version == 4 else IPv6Address(text.replace("%", " ")))
        raise InvalidParameter(f"failed to parse {name} value: {text} (nil ip)")
    return ""
