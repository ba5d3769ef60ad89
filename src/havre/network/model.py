"""The nouns of the network room: networks, endpoints, ports. All immutable, all kept in the database as they are."""

from dataclasses import dataclass, field

PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class Network:
    """One network. ``subnet`` ("172.29.0.0/16"), ``gateway`` and ``interface`` (the bridge) are "" if it has none."""

    id: str
    name: str
    driver: str
    created_ns: int
    subnet: str = ""
    gateway: str = ""
    interface: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortRequest:
    """Publish ``container_port`` on one host port of ``host_port_start`` to ``host_port_end``; 0 and 0 mean any.

    ``host_ip`` "" means the daemon's default (``0.0.0.0``).
    """

    container_port: int
    proto: str = "tcp"
    host_ip: str = ""
    host_port_start: int = 0
    host_port_end: int = 0


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A container's port as the host publishes it."""

    container_port: int
    proto: str
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a container asks of a network; "" leaves it to the driver. ``name`` is the container's, for errors."""

    name: str = ""
    mac: str = ""
    ipv4: str = ""
    hostname: str = ""
    aliases: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()
    interface: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place on a network. Addresses are "" and ``prefix_len`` 0 where there are none (host, none)."""

    network_id: str
    network_name: str
    endpoint_id: str
    container_id: str
    gateway: str = ""
    ip_address: str = ""
    prefix_len: int = 0
    mac: str = ""
    host_interface: str = ""
    ports: tuple[PublishedPort, ...] = ()
    # What the container calls it.
    interface: str = "eth0"
