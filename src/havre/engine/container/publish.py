"""Ports added to and removed from a container while it runs, or for its next start: havre's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from havre.engine.container import network
from havre.engine.container.inspect import port_map
from havre.engine.container.record import DEAD, REMOVING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.network.networks import Networks
from havre.wire.containers import HostConfig, PortBinding

Bindings = Mapping[str, Sequence[PortBinding] | None]


@dataclass(frozen=True, slots=True)
class Publisher:
    """``POST /havre/containers/{id}/ports`` and ``DELETE …/ports/{port}``; both answer with what is published then."""

    registry: Registry
    networks: Networks

    async def add(self, reference: str, bindings: Bindings) -> dict[str, Any]:
        """Publish ``bindings``, as create takes them, besides those there are: now, and at every start from now on."""
        if not bindings:
            raise InvalidParameter("no ports to publish")
        container_id = self.registry.find(reference).id
        async with self.registry.lock(container_id):
            one = self._changeable(container_id)
            wanted = {_canonical(port): list(given or [PortBinding()]) for port, given in bindings.items()}
            only = msgspec.structs.replace(HostConfig(), port_bindings=wanted)
            network.check_ports(one.config, only)
            before = one.host.port_bindings or {}
            merged = {**before, **{port: [*(before.get(port) or ()), *given] for port, given in wanted.items()}}
            after = one.replace(host=msgspec.structs.replace(one.host, port_bindings=merged))
            if one.state.running:
                requests = network.port_requests(one.replace(host=only))
                ports = await self.networks.publishing.add(container_id, requests)
                try:
                    return await self._save(after)
                except BaseException:
                    await self.networks.publishing.remove(container_id, ports.__contains__)
                    raise
            return await self._save(after)

    async def remove(self, reference: str, port: str) -> dict[str, Any]:
        """Publish ``port`` of the container (``80``, ``53/udp``) nowhere any more."""
        number, proto = network.parse_port(port)
        container_id = self.registry.find(reference).id
        async with self.registry.lock(container_id):
            one = self._changeable(container_id)
            name = f"{number}/{proto}"
            before = one.host.port_bindings or {}
            kept = {key: given for key, given in before.items() if _canonical(key) != name}
            if name not in one.ports and len(kept) == len(before):
                raise NotFound(f"port {name} of container {one.name} is not published")
            if one.state.running:
                await self.networks.publishing.remove(
                    container_id, lambda each: (each.container_port, each.proto) == (number, proto)
                )
            return await self._save(one.replace(host=msgspec.structs.replace(one.host, port_bindings=kept)))

    def _changeable(self, container_id: str) -> Container:
        one = self.registry.current(container_id)
        if one.state.status in (REMOVING, DEAD):
            raise Conflict(f"container {one.id} is marked for removal and its ports cannot be changed")
        if not network.own(one):
            raise Conflict(f"container {one.name} has no network of its own ({one.host.network_mode})")
        return one

    async def _save(self, one: Container) -> dict[str, Any]:
        if one.state.running:
            one = network.connected(one, self.networks.endpoints_of(one.id))
        one = await self.registry.save(one)
        return {"Ports": port_map(one)}


def _canonical(port: str) -> str:
    number, proto = network.parse_port(port)
    return f"{number}/{proto}"
