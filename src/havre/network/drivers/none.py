"""The driver of the network ``none``: a container has its namespace and nothing in it but the loopback."""

from collections.abc import Sequence
from pathlib import Path

from havre.lib.ids import new_id
from havre.network.model import Endpoint, EndpointRequest, Network


class NoneDriver:
    """See ``network.driver.Driver``. It has no kernel state; published ports are left aside, as Docker does."""

    name = "null"

    async def choose(self, network: Network, in_use: bool) -> Network:
        return network

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        return

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        return Endpoint(network.id, network.name, new_id(), container_id)

    def cursor(self, network: Network) -> int:
        return 0

    def release(self, network: Network, endpoint: Endpoint) -> None:
        return

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        return

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        return

    async def leave(self, network: Network) -> None:
        return

    async def close(self, network: Network) -> None:
        return
