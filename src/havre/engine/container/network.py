"""A container and its networks: what it asks of the network room, and what its record says of the answer. Pure."""

import ipaddress
import re
from collections.abc import Iterable

import msgspec

from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.network.model import PREDEFINED, PROTOCOLS, Endpoint, EndpointRequest, PortRequest
from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig, PortBinding

INTERFACE_NAME = "com.docker.network.endpoint.ifname"
_NUMBER = re.compile("[0-9]{1,5}")


def own(container: Container) -> bool:
    """Whether it has a network namespace of its own that networks can be connected to."""
    mode = container.host.network_mode
    return mode not in ("host", "none") and not mode.startswith("container:")


def named(container: Container) -> bool:
    """Whether it is on a network on which containers are found by name."""
    return own(container) and any(name not in PREDEFINED for name in container.endpoints)


def wanted(container: Container, main: str) -> list[str]:
    """The networks to connect it to, in order: ``main``, that of its mode, first, since it gets the first interface."""
    return sorted(container.endpoints, key=lambda name: (name != main, name))


def request(container: Container, network: str) -> EndpointRequest:
    """The endpoint the container wants on one of its networks."""
    settings = container.endpoints.get(network) or EndpointSettings()
    ipam = settings.ipam_config
    return EndpointRequest(
        name=container.name,
        mac=settings.mac_address.replace("-", ":"),
        ipv4=ipam.ipv4_address if ipam else "",
        ipv6=ipam.ipv6_address if ipam else "",
        link_local=tuple(ipam.link_local_ips or ()) if ipam else (),
        aliases=tuple(settings.aliases or ()),
        ports=tuple(port_requests(container)),
        names=tuple(dns_names(container, network, settings) or ()),
        links=links(settings),
        priority=settings.gw_priority,
        interface=interface_name(settings),
    )


def interface_name(settings: EndpointSettings) -> str:
    """What the container wants to call its interface; "" leaves it to the network."""
    return (settings.driver_opts or {}).get(INTERFACE_NAME) or ""


def dns_names(container: Container, network: str, settings: EndpointSettings) -> list[str] | None:
    """What others on the network may call it; None on Docker's own networks."""
    if network in PREDEFINED:
        return None
    names = [container.name, *(settings.aliases or ()), container.short_id, container.hostname]
    return list(dict.fromkeys(name for name in names if name))


def links(settings: EndpointSettings) -> dict[str, str]:
    """What it calls others on that network: alias and name."""
    pairs = (text.partition(":") for text in settings.links or ())
    return {alias or name: name for name, _, alias in pairs}


def port_requests(container: Container) -> list[PortRequest]:
    """``PortBindings`` and, with ``PublishAllPorts``, every exposed port. ``InvalidParameter`` for a malformed one."""
    requests: list[PortRequest] = []
    bindings = container.host.port_bindings or {}
    for port, wanted in bindings.items():
        number, proto = parse_port(port)
        for binding in wanted or [PortBinding()]:
            start, end = _host_ports(binding.host_port)
            requests.append(PortRequest(number, proto, binding.host_ip, start, end))
    if container.host.publish_all_ports:
        for port in container.config.exposed_ports or {}:
            if port not in bindings:
                requests += [PortRequest(number, proto) for number, proto in _exposed(port)]
    # What is asked for twice is published once.
    return list(dict.fromkeys(requests))


def exposed_ports(container: Container) -> list[tuple[int, str]]:
    """The numbers and protocols of ``ExposedPorts``, in order, TCP before others of the same number."""
    ports = {port for text in container.config.exposed_ports or {} for port in _exposed(text)}
    return sorted(ports, key=lambda port: (port[0], port[1] != "tcp", port[1]))


def check_ports(config: ContainerConfig, host: HostConfig) -> None:
    """``InvalidParameter`` for a port that is none, or an address to publish it on."""
    for port in config.exposed_ports or {}:
        _exposed(port)
    for port, wanted in (host.port_bindings or {}).items():
        parse_port(port)
        for binding in wanted or ():
            _host_ports(binding.host_port)
            try:
                ipaddress.ip_address(binding.host_ip or "0.0.0.0")
            except ValueError:
                raise InvalidParameter(f"invalid IP address: {binding.host_ip}") from None


def parse_port(text: str) -> tuple[int, str]:
    """``80/tcp`` or ``80`` as number and protocol."""
    number, _, proto = text.partition("/")
    proto = (proto or "tcp").lower()
    if not _NUMBER.fullmatch(number) or not 0 < int(number) < 65536 or proto not in PROTOCOLS:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return int(number), proto


def _exposed(text: str) -> list[tuple[int, str]]:
    # An image may expose a range: "8000-8010/tcp".
    numbers, _, proto = text.partition("/")
    first, dash, last = numbers.partition("-")
    if not dash:
        return [parse_port(text)]
    start, end = parse_port(f"{first}/{proto or 'tcp'}")[0], parse_port(f"{last}/{proto or 'tcp'}")[0]
    return [(number, proto or "tcp") for number in range(start, end + 1)]


def _host_ports(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    first, dash, last = text.partition("-")
    if not _NUMBER.fullmatch(first) or (dash and not _NUMBER.fullmatch(last)):
        raise InvalidParameter(f'invalid port specification: "{text}"')
    start, end = int(first), int(last) if dash else int(first)
    if start > end or end > 65535:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return start, end


def connected(container: Container, endpoints: Iterable[Endpoint]) -> Container:
    """The record with what its networks have given it."""
    settings = {name: _bare(given) for name, given in container.endpoints.items()}
    ports: dict[str, list[PortBinding]] = {}
    addresses = {}
    for endpoint in endpoints:
        name = endpoint.network_name
        settings[name] = msgspec.structs.replace(
            settings.get(name) or EndpointSettings(),
            network_id=endpoint.network_id,
            endpoint_id=endpoint.endpoint_id,
            gateway=_shown(endpoint.gateway),
            ip_address=endpoint.ip_address,
            ip_prefix_len=endpoint.prefix_len,
            ipv6_gateway=_shown(endpoint.ipv6_gateway),
            global_ipv6_address=endpoint.ipv6_address,
            global_ipv6_prefix_len=endpoint.ipv6_prefix_len,
        )
        if endpoint.mac:
            addresses[name] = endpoint.mac
        for port in endpoint.ports:
            binding = PortBinding(host_ip=port.host_ip, host_port=str(port.host_port or ""))
            ports.setdefault(f"{port.container_port}/{port.proto}", []).append(binding)
    return container.replace(endpoints=settings, ports=ports, mac_addresses=addresses)


def _shown(gateway: str) -> str:
    """A route without a gateway shows none."""
    return "" if gateway in ("0.0.0.0", "::") else gateway


def disconnected(container: Container) -> Container:
    """The record of a container that has no network now; what the user asked for stays."""
    endpoints = {name: _bare(settings) for name, settings in container.endpoints.items()}
    return container.replace(endpoints=endpoints, ports={}, mac_addresses={})


def _bare(settings: EndpointSettings) -> EndpointSettings:
    return msgspec.structs.replace(
        settings,
        endpoint_id="",
        gateway="",
        ip_address="",
        ip_prefix_len=0,
        ipv6_gateway="",
        global_ipv6_address="",
        global_ipv6_prefix_len=0,
    )
