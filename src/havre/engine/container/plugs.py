"""A container plugged into its networks and pulled out, with the events that tell of it.

start, release and connect come in.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from havre.engine.container import endpoints, network
from havre.engine.container.create import EventSink
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.kernel import namespaces
from havre.network.model import Endpoint
from havre.network.networks import Networks
from havre.wire.containers import EndpointSettings


@dataclass(frozen=True, slots=True)
class Plugs:
    """The container has its network namespace; the caller holds its lock."""

    networks: Networks
    events: EventSink

    async def plug(self, container: Container, name: str) -> Endpoint:
        """Connect it to one of its networks."""
        request, running = network.request(container, name), container.state.running
        endpoint = await self.networks.connect(container.id, name, request, running=running)
        wanted = endpoints.sysctls(container.endpoints.get(name) or EndpointSettings(), endpoint.interface)
        if wanted:
            try:
                await asyncio.to_thread(_write_sysctls, self.networks.sandbox_path(container.id), wanted)
            except BaseException:
                await self.networks.disconnect(container.id, endpoint.network_id)
                raise
        self.tell("connect", container.id, [endpoint])
        return endpoint

    async def pull(self, container: Container, endpoint: Endpoint) -> None:
        """Disconnect it, which goes on, from one of its networks."""
        await self.networks.disconnect(container.id, endpoint.network_id)
        self.tell("disconnect", container.id, [endpoint])

    async def release(self, container_id: str) -> None:
        """Disconnect it from all its networks and give up its namespace."""
        connected = self.networks.endpoints_of(container_id)
        await self.networks.sandbox_remove(container_id)
        self.tell("disconnect", container_id, connected)

    def tell(self, action: str, container_id: str, connected: Sequence[Endpoint]) -> None:
        """Publish the events of endpoints that came or went."""
        for endpoint in connected:
            found = self.networks.find(endpoint.network_id)
            kind = found.driver if found is not None else "bridge"
            attributes = {"container": container_id, "name": endpoint.network_name, "type": kind}
            self.events.publish("network", action, endpoint.network_id, attributes)


def _write_sysctls(namespace: Path, wanted: list[tuple[str, str]]) -> None:
    def write() -> None:
        for name, value in wanted:
            try:
                namespaces.write_sysctl(name, value)
            except OSError as error:
                raise InvalidParameter(f"failed to set {name}={value}: {error.strerror}") from None

    namespaces.enter(namespace, write)
