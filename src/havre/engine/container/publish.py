"""Ports added to and removed from a container while it runs, or for its next start: havre's own."""

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

Bindings = dict[str, list[PortBinding] | None]


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
            more = one.replace(host=HostConfig(port_bindings=bindings))
            network.check_ports(one.config, more.host)
            merged = _asked(one)
            for port, given in _asked(more).items():
                # What is asked for twice is published once.
                there = merged.setdefault(port, [])
                there += [each for each in given if each not in there]
            after = _asking(one, merged)
            if not one.state.running:
                return await self._save(after)
            before = network.port_requests(one)
            requests = [each for each in network.port_requests(more) if each not in before]
            ports = await self.networks.publishing.add(container_id, requests) if requests else ()
            try:
                return await self._save(after)
            except BaseException:
                await self.networks.publishing.remove(container_id, ports.__contains__)
                raise

    async def remove(self, reference: str, port: str) -> dict[str, Any]:
        """Publish ``port`` of the container (``80``, ``53/udp``) nowhere any more."""
        number, proto = network.parse_port(port)
        container_id = self.registry.find(reference).id
        async with self.registry.lock(container_id):
            one = self._changeable(container_id)
            name, kept = f"{number}/{proto}", _asked(one)
            if kept.pop(name, None) is None and name not in one.ports:
                raise NotFound(f"port {name} of container {one.name} is not published")
            # The record first: what is published and not asked for, recovery takes away.
            after = await self.registry.save(_asking(one, kept), frees_room=True)
            if not one.state.running:
                return {"Ports": port_map(after)}
            try:
                await self.networks.publishing.remove(
                    container_id, lambda each: (each.container_port, each.proto) == (number, proto)
                )
            except BaseException:
                await self.registry.save(one)
                raise
            return await self._save(after)

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


def _asked(one: Container) -> dict[str, list[PortBinding]]:
    """What is asked for, port by port, those of ``PublishAllPorts`` among them."""
    asked: dict[str, list[PortBinding]] = {}
    for port, given in (one.host.port_bindings or {}).items():
        number, proto = network.parse_port(port)
        asked.setdefault(f"{number}/{proto}", []).extend(given or [PortBinding()])
    if one.host.publish_all_ports:
        for number, proto in network.exposed_ports(one):
            asked.setdefault(f"{number}/{proto}", [PortBinding()])
    return asked


def _asking(one: Container, bindings: dict[str, list[PortBinding]]) -> Container:
    return one.replace(host=msgspec.structs.replace(one.host, port_bindings=dict(bindings), publish_all_ports=False))
