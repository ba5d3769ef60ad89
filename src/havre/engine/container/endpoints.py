"""``NetworkingConfig``: what a container asks of its network at create, checked."""

import re

import msgspec

from havre.engine.container.network import interface_name
from havre.errors import InvalidParameter, Unsupported
from havre.wire.containers import ContainerConfig, EndpointIPAMConfig, EndpointSettings, HostConfig, NetworkingConfig

_MAC = re.compile(r"[0-9a-fA-F]{2}(([:-])[0-9a-fA-F]{2}(\2[0-9a-fA-F]{2}){4})")
_SYSCTLS = "com.docker.network.endpoint.sysctls"
_SYSCTL = re.compile(r"net\.([a-z0-9]+)\.([a-z]+)\.IFNAME\.([a-z0-9_]+)=([^,/]*)")
_INTERFACE = re.compile(r"[^\s/:%]{1,15}")


def of(config: ContainerConfig, host: HostConfig, networking: NetworkingConfig) -> dict[str, EndpointSettings]:
    """The endpoints of the record, by network; none in another container's network, and where there is to be none."""
    mode = host.network_mode
    if mode.startswith("container:") or config.network_disabled:
        return {}
    asked = {
        ("bridge" if name == "default" else name): settings or EndpointSettings()
        for name, settings in (networking.endpoints_config or {}).items()
    }
    if set(asked) - {mode}:
        raise Unsupported("havre does not implement NetworkingConfig with more than one network yet")
    endpoint = asked.get(mode, EndpointSettings())
    if config.mac_address and not endpoint.mac_address:
        endpoint = msgspec.structs.replace(endpoint, mac_address=config.mac_address)
    _check(mode, endpoint)
    return {mode: endpoint}


def sysctls(settings: EndpointSettings) -> list[tuple[str, str]]:
    """The kernel parameters asked for its interface: names written with slashes, and values."""
    found = []
    interface = interface_name(settings) or "eth0"
    for text in ((settings.driver_opts or {}).get(_SYSCTLS) or "").split(","):
        if not text:
            continue
        match = _SYSCTL.fullmatch(text)
        if match is None:
            raise InvalidParameter(f"invalid value for {_SYSCTLS}: {text!r}: net.*.*.IFNAME.name=value is wanted")
        found.append((f"net/{match[1]}/{match[2]}/{interface}/{match[3]}", match[4]))
    return found


def _check(mode: str, endpoint: EndpointSettings) -> None:
    if endpoint.aliases and mode in ("bridge", "host", "none"):
        raise InvalidParameter(
            f"invalid config for network {mode}: invalid endpoint settings:\n"
            "network-scoped alias is supported only for containers in user defined networks"
        )
    if endpoint.links and mode != "bridge":
        raise Unsupported("havre does not implement EndpointSettings.Links on networks other than bridge yet")
    interface = interface_name(endpoint)
    if interface and (not _INTERFACE.fullmatch(interface) or interface in (".", "..", "lo", "all", "default")):
        raise InvalidParameter(f"invalid config for network {mode}: no interface can be called {interface!r}")
    if sysctls(endpoint) and mode != "bridge":
        raise InvalidParameter(
            f"invalid config for network {mode}: {_SYSCTLS} needs an interface of the container's own"
        )
    if (mac := endpoint.mac_address) and mode != "none":
        _check_mac(mode, mac)
    # Addresses that the network gives nobody: they would be ignored.
    ipam = endpoint.ipam_config or EndpointIPAMConfig()
    if ipam.ipv6_address or ipam.link_local_ips or (mode in ("bridge", "host", "none") and ipam.ipv4_address):
        raise InvalidParameter(
            f"invalid config for network {mode}: invalid endpoint settings:\n"
            "* user specified IP address is supported on user defined networks only\n"
            "* user specified IP address is supported only when connecting to networks with user configured subnets"
        )


def _check_mac(mode: str, mac: str) -> None:
    if not _MAC.fullmatch(mac):
        raise InvalidParameter(f"invalid config for network {mode}: invalid MAC address {mac}")
    if mode == "host":
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if int(mac[:2], 16) & 1:
        raise InvalidParameter(f"invalid config for network {mode}: MAC address {mac} is a multicast address")
    if not mac.strip("0:-."):
        raise InvalidParameter(f"invalid config for network {mode}: MAC address {mac} is nobody's")
