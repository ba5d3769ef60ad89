"""The driver of the network ``none``: a container has its namespace and nothing in it but the loopback."""

from collections.abc import Sequence
from pathlib import Path

from havre.errors import Forbidden
from havre.lib.ids import new_id
from havre.network.model import Endpoint, EndpointRequest, Network, PortRequest, PublishedPort


class NoneDriver:
    """See ``network.driver.Driver``. It has no kernel state; published ports are left aside, as Docker does."""

    name = "null"
    publishes = False

    def check(self, network: Network) -> None:
        raise Forbidden(f'only one instance of "{self.name}" network is allowed')

    async def choose(self, network: Network, in_use: bool, taken: Sequence[str] = ()) -> Network:
        return network

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        return

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        return Endpoint(network.id, network.name, new_id(), container_id)

    def interface_prefix(self, network: Network) -> str:
        return "eth"

    def cursor(self, network: Network) -> int:
        return 0

    def release(self, network: Network, endpoint: Endpoint) -> None:
        return

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        return

    def reserve(
        self, network: Network, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        return ()

    def give_up(self, network: Network, ports: tuple[PublishedPort, ...]) -> None:
        return

    async def republish(self, network: Network, endpoint: Endpoint, ports: tuple[PublishedPort, ...]) -> Endpoint:
        return endpoint

    async def detach(self, network: Network, endpoint: Endpoint, sandbox: Path, *, alive: bool = False) -> None:
        return

    async def settle(self) -> set[str]:
        return set()

    async def mend(self, network: Network) -> list[str]:
        return []

    async def lost(self, network: Network, endpoint: Endpoint) -> bool:
        return False

    async def leave(self, network: Network) -> None:
        return

    async def close(self, network: Network) -> None:
        return
