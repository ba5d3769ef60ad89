"""A container and its network: what it asks of the network room, and what the answer looks like in its record. Pure."""

import ipaddress
import re

import msgspec

from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.network.model import Endpoint, EndpointRequest, PortRequest
from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig, PortBinding

INTERFACE_NAME = "com.docker.network.endpoint.ifname"
_PROTOCOLS = ("tcp", "udp", "sctp")
_NUMBER = re.compile("[0-9]{1,5}")


def request(container: Container) -> EndpointRequest:
    """The endpoint the container wants on its network."""
    settings = container.endpoints.get(container.host.network_mode) or EndpointSettings()
    return EndpointRequest(
        name=container.name,
        mac=settings.mac_address,
        ipv4=settings.ipam_config.ipv4_address if settings.ipam_config else "",
        hostname=container.hostname,
        aliases=tuple(settings.aliases or ()),
        ports=tuple(port_requests(container)),
        interface=interface_name(settings),
    )


def interface_name(settings: EndpointSettings) -> str:
    """What the container wants to call its interface; "" leaves it to the network."""
    return (settings.driver_opts or {}).get(INTERFACE_NAME) or ""


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
    if not _NUMBER.fullmatch(number) or not 0 < int(number) < 65536 or proto not in _PROTOCOLS:
        raise InvalidParameter(f"invalid port specification: {text!r}")
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
        raise InvalidParameter(f"invalid port specification: {text!r}")
    start, end = int(first), int(last) if dash else int(first)
    if start > end or end > 65535:
        raise InvalidParameter(f"invalid port specification: {text!r}")
    return start, end


def connected(container: Container, endpoint: Endpoint) -> Container:
    """The record with what the network gave it."""
    mode = container.host.network_mode
    settings = msgspec.structs.replace(
        container.endpoints.get(mode) or EndpointSettings(),
        network_id=endpoint.network_id,
        endpoint_id=endpoint.endpoint_id,
        gateway=endpoint.gateway,
        ip_address=endpoint.ip_address,
        ip_prefix_len=endpoint.prefix_len,
    )
    ports: dict[str, list[PortBinding]] = {}
    for port in endpoint.ports:
        binding = PortBinding(host_ip=port.host_ip, host_port=str(port.host_port))
        ports.setdefault(f"{port.container_port}/{port.proto}", []).append(binding)
    return container.replace(
        endpoints={mode: settings}, ports=ports, mac_addresses={mode: endpoint.mac} if endpoint.mac else {}
    )


def disconnected(container: Container) -> Container:
    """The record of a container that has no network now; what the user asked for stays."""
    endpoints = {
        name: msgspec.structs.replace(settings, endpoint_id="", gateway="", ip_address="", ip_prefix_len=0)
        for name, settings in container.endpoints.items()
    }
    return container.replace(endpoints=endpoints, ports={}, mac_addresses={})
