"""The nouns of the network room: networks, endpoints, ports. All immutable, all kept in the database as they are."""

import re
from dataclasses import dataclass, field

from havre.errors import InvalidParameter

MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# nft takes these characters in names, and the kernel 15 of them for an interface.
_BRIDGE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
PROTOCOLS = ("tcp", "udp", "sctp")
# Docker's three networks that are always there, with their drivers.
PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}


@dataclass(frozen=True, slots=True)
class Pool:
    """One subnet of a network ("172.30.0.0/24"), of IPv4 or IPv6. ``ip_range`` is the part of it that containers get
    addresses of, ``aux`` addresses that they do not get, by name; ``asked``: the subnet is the user's choice.
    """

    subnet: str
    gateway: str = ""
    ip_range: str = ""
    aux: dict[str, str] = field(default_factory=dict)
    asked: bool = False
    gateway_asked: bool = False

    @property
    def version(self) -> int:
        return 6 if ":" in self.subnet else 4


@dataclass(frozen=True, slots=True)
class Network:
    """One network. ``interface`` is its bridge, or ""; ``options`` are the user's, ``state`` the driver's.

    ``config_only``: others can be made from it, and name it in ``config_from``; nobody is connected to it.
    """

    id: str
    name: str
    driver: str
    created_ns: int
    interface: str = ""
    pools: tuple[Pool, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    ipv4: bool = True
    ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    ipam_options: dict[str, str] | None = None
    ipam_driver: str = "default"
    config_only: bool = False
    config_from: str = ""

    @property
    def predefined(self) -> bool:
        """One of Docker's three that are always there."""
        return self.name in PREDEFINED

    def pools_of(self, version: int) -> tuple[Pool, ...]:
        """Its subnets of IPv4 or of IPv6."""
        return tuple(pool for pool in self.pools if pool.version == version)

    @property
    def subnet(self) -> str:
        """Its first IPv4 subnet, or ""."""
        return next((pool.subnet for pool in self.pools_of(4)), "")

    @property
    def gateway(self) -> str:
        """The gateway of its first IPv4 subnet, or ""."""
        return next((pool.gateway for pool in self.pools_of(4)), "")


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
    """A container's port as the host publishes it. ``host_port`` 0: not the host, it is open at its own address, and
    ``host_ip`` says of which IP version that is.
    """

    container_port: int
    proto: str
    host_ip: str
    host_port: int

    @property
    def version(self) -> int:
        return 6 if ":" in self.host_ip else 4


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a container asks of a network; "" leaves it to the driver. ``name`` is the container's, for errors.

    ``names`` are what others on the network may call it; ``links`` what it alone calls others there: its word, and
    one of the other's names. The default route leads through the network of the highest ``priority``.
    """

    name: str = ""
    mac: str = ""
    ipv4: str = ""
    ipv6: str = ""
    link_local: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()
    names: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    interface: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place on a network. Addresses are "" and prefixes 0 where there are none (host, none).

    ``interface`` is what the container calls its end, ``host_interface`` the other end on the host. ``unsettled``: its
    container runs, and is being connected or disconnected; should the daemon die in that, it is not connected.
    """

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
    interface: str = "eth0"
    ipv6_gateway: str = ""
    ipv6_address: str = ""
    ipv6_prefix_len: int = 0
    link_local: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    unsettled: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, IPv4 first."""
        return tuple(address for address in (self.ip_address, self.ipv6_address) if address)


def check_bridge_name(name: str) -> None:
    """Refuse a name that no bridge of ours can have. ``InvalidParameter``."""
    if not _BRIDGE_NAME.fullmatch(name):
        raise InvalidParameter(f"invalid bridge name {name!r}: letters, digits, and _ . - within, 15 at most")
