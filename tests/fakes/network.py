"""A network driver without a kernel: it keeps to the protocol and writes down what it was asked.

Who comes in: the contract tests, which hold it to what real drivers do, and tests of rooms above the network.
"""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from havre.lib.ids import new_id
from havre.network.ipam import AddressPool, mac_of
from havre.network.model import Endpoint, EndpointRequest, Network, Pool, PortRequest, PublishedPort

_SUBNET = IPv4Network("10.88.0.0/16")
_GATEWAY = IPv4Address("10.88.0.1")


class FakeDriver:
    """See ``havre.network.driver.Driver``; every port request gets the next port from 49153 on, unless it names one."""

    def __init__(self, name: str = "bridge") -> None:
        self.name = name
        self.publishes = True
        self.attached: set[str] = set()
        self.calls: list[str] = []
        self._pools: dict[str, AddressPool] = {}
        self._port = 49152

    def check(self, network: Network) -> None:
        self.calls.append("check")

    async def choose(self, network: Network, in_use: bool, taken: Sequence[str] = ()) -> Network:
        self.calls.append("choose")
        return replace(network, pools=network.pools or (Pool(str(_SUBNET), str(_GATEWAY)),), interface="fake0")

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        self.calls.append("open")
        self._pools[network.id] = AddressPool(_SUBNET, [_GATEWAY], cursor)
        for endpoint in endpoints:
            self._pools[network.id].take(IPv4Address(endpoint.ip_address))
            self.attached.add(endpoint.endpoint_id)

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        address = IPv4Address(int(self._pools[network.id].lease()))
        return Endpoint(
            network.id,
            network.name,
            new_id(),
            container_id,
            network.gateway,
            str(address),
            _SUBNET.prefixlen,
            request.mac or mac_of(address),
            "veth0",
            self._published(request.ports),
            interface=request.interface or "eth0",
            names=request.names,
            priority=request.priority,
        )

    def _published(self, requests: Sequence[PortRequest]) -> tuple[PublishedPort, ...]:
        ports = []
        for port in requests:
            self._port += 1
            number = port.host_port_start or self._port
            ports.append(PublishedPort(port.container_port, port.proto, port.host_ip or "0.0.0.0", number))
        return tuple(ports)

    def reserve(
        self, network: Network, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        self.calls.append("reserve")
        return self._published(requests)

    def give_up(self, network: Network, ports: tuple[PublishedPort, ...]) -> None:
        self.calls.append("give_up")

    def interface_prefix(self, network: Network) -> str:
        return "eth"

    def cursor(self, network: Network) -> int:
        return self._pools[network.id].cursor

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        self.calls.append("attach")
        self.attached.add(endpoint.endpoint_id)

    async def republish(self, network: Network, endpoint: Endpoint, ports: tuple[PublishedPort, ...]) -> Endpoint:
        self.calls.append("republish")
        return replace(endpoint, ports=ports)

    async def detach(self, network: Network, endpoint: Endpoint, sandbox: Path, *, alive: bool = False) -> None:
        self.calls.append("detach")
        self.attached.discard(endpoint.endpoint_id)

    def release(self, network: Network, endpoint: Endpoint) -> None:
        self._pools[network.id].give_back(IPv4Address(endpoint.ip_address))

    async def settle(self) -> set[str]:
        return set()

    async def mend(self, network: Network) -> list[str]:
        self.calls.append("mend")
        return []

    async def lost(self, network: Network, endpoint: Endpoint) -> bool:
        return endpoint.endpoint_id not in self.attached

    async def leave(self, network: Network) -> None:
        self.calls.append("leave")

    async def close(self, network: Network) -> None:
        self.calls.append("close")
        self._pools.pop(network.id, None)
