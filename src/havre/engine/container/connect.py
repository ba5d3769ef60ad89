"""Connect and disconnect: a container's networks change, while it runs or for its next start.

Its record names the network before the network room makes the connection, and forgets it after that is gone: what is
between the two after a crash is settled by ``recover``.
"""

import asyncio
from dataclasses import dataclass

import msgspec

from havre.engine.container import endpoints, network
from havre.engine.container.etc import EtcFiles
from havre.engine.container.plugs import Plugs
from havre.engine.container.record import DEAD, REMOVING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, Forbidden, InvalidParameter, NotFound, SystemFault
from havre.network.model import Network
from havre.network.networks import Networks
from havre.wire.containers import EndpointSettings


@dataclass(frozen=True, slots=True)
class Connector:
    """``POST /networks/{id}/connect`` and ``…/disconnect``."""

    registry: Registry
    networks: Networks
    plugs: Plugs
    etc: EtcFiles

    async def connect(self, reference: str, container: str, settings: EndpointSettings) -> None:
        """Connect the container, or see to it that its next start does."""
        container_id = self._find(container).id
        found = self.networks.get(reference)
        async with self.registry.lock(container_id):
            one = self.registry.current(container_id)
            if one.state.status in (REMOVING, DEAD):
                raise Conflict(f"container {one.id} is marked for removal and cannot be connected or disconnected")
            endpoints.check_company(one.host.network_mode, found.name)
            endpoints.check(found, settings)
            if one.state.running:
                await self._connect_running(one, found, settings)
            else:
                await self.registry.save(_with(one, found, settings))

    async def _connect_running(self, one: Container, found: Network, settings: EndpointSettings) -> None:
        if found.name in one.endpoints:
            raise Forbidden(f"endpoint with name {one.name} already exists in network {found.name}")
        before, one = one, await self.registry.save(_with(one, found, settings))
        try:
            if network.named(one) and not network.named(before):
                path = self.networks.sandbox_path(one.id)
                await self.networks.names.attach(one.id, path, self.etc.upstream(one))
            endpoint = await self.plugs.plug(one, found.name)
        except BaseException:
            await self.registry.save(before)
            raise
        one = await self.registry.save(network.connected(one, self.networks.endpoints_of(one.id)))
        await asyncio.to_thread(self.etc.connected, one, endpoint)
        if network.named(one) and not network.named(before):
            await asyncio.to_thread(self.etc.write_resolv_conf, one)

    async def disconnect(self, reference: str, container: str, force: bool) -> None:
        """Disconnect the container; ``force`` makes no difference: there is nothing that could resist."""
        try:
            container_id = self._find(container).id
        except NotFound:
            if not force:
                raise
            self.networks.get(reference)
            raise NotFound(f"endpoint {container} not found") from None
        found = self.networks.get(reference)
        async with self.registry.lock(container_id):
            one = self.registry.current(container_id)
            if one.host.network_mode == "host" and found.name == "host" and one.state.running:
                raise InvalidParameter(
                    "container cannot be disconnected from host network or connected to host network"
                )
            if found.name not in one.endpoints:
                what = "network" if one.state.running else "the network"
                raise SystemFault(f"container {one.id} is not connected to {what} {found.name}")
            connected = {endpoint.network_id: endpoint for endpoint in self.networks.endpoints_of(one.id)}
            endpoint = connected.get(found.id)
            if endpoint is not None:
                await self.plugs.pull(one, endpoint)
            kept = {name: settings for name, settings in one.endpoints.items() if name != found.name}
            one = one.replace(endpoints=kept)
            if one.state.running:
                one = network.connected(one, self.networks.endpoints_of(one.id))
            await self.registry.save(one, frees_room=True)
            if endpoint is not None:
                await asyncio.to_thread(self.etc.disconnected, one, endpoint)

    def _find(self, container: str) -> Container:
        if not container:
            raise InvalidParameter('invalid name or ID supplied: ""')
        return self.registry.find(container)


def _with(one: Container, found: Network, settings: EndpointSettings) -> Container:
    """The record with one more network, as it was asked for."""
    asked = msgspec.structs.replace(
        EndpointSettings(),
        ipam_config=settings.ipam_config,
        links=settings.links,
        aliases=settings.aliases,
        mac_address=settings.mac_address,
        driver_opts=settings.driver_opts,
        gw_priority=settings.gw_priority,
        network_id=found.id if one.state.running else "",
    )
    return one.replace(endpoints={**one.endpoints, found.name: asked})
