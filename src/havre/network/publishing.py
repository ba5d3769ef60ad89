"""The published ports of containers that are connected: they move with the default route, come and go while it runs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from havre.errors import Conflict
from havre.network import gateways, records
from havre.network.driver import Driver
from havre.network.model import Endpoint, Network, PortRequest, PublishedPort
from havre.store.db import Database


class Publishing:
    """Works on the indexes of ``Networks``; ``lock`` gives that of an endpoint."""

    def __init__(
        self,
        db: Database,
        drivers: Mapping[str, Driver],
        networks: Mapping[str, Network],
        endpoints: Mapping[str, dict[str, Endpoint]],
        lock: Callable[[Endpoint], asyncio.Lock],
    ) -> None:
        self._db = db
        self._drivers = drivers
        self._networks = networks
        self._endpoints = endpoints
        self._lock = lock

    def places(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Those of ``endpoints`` that ports can be published on."""
        return [each for each in endpoints if self._driver(each).publishes]

    async def move(self, container_id: str, candidates: Sequence[Endpoint]) -> None:
        """Publish the container's ports where, of ``candidates``, its default route of that IP version leads to."""
        for version in gateways.VERSIONS:
            endpoints = self._endpoints.get(container_id, {})
            holder = next((each for each in endpoints.values() if gateways.ports(each, version)), None)
            heir = gateways.chosen(self.places(candidates), version)
            if holder is not None and heir is not None and heir.network_id != holder.network_id:
                moved = gateways.ports(holder, version)
                kept = tuple(port for port in holder.ports if port not in moved)
                heir = endpoints[heir.network_id]
                await self._republish((holder, kept), (heir, (*heir.ports, *moved)))

    async def add(self, container_id: str, requests: Sequence[PortRequest]) -> tuple[PublishedPort, ...]:
        """Publish more ports of a container: all or, on any error, none. ``Conflict`` where there is no place for it,
        and what ``Driver.reserve`` has against it.
        """
        places = self.places(self._endpoints.get(container_id, {}).values())
        place = gateways.chosen(places, 4) or gateways.chosen(places, 6)
        if place is None:
            raise Conflict("the container is on no network that its ports could be published from")
        driver, network = self._driver(place), self._networks[place.network_id]
        async with self._lock(place):
            place = self._endpoints.get(container_id, {}).get(network.id)
            if place is None:
                raise Conflict("the container has left its network meanwhile")
            ports = driver.reserve(network, place, requests)
            try:
                await self._republish((place, (*place.ports, *ports)))
            except BaseException:
                await self._republish((place, place.ports))
                driver.give_up(network, ports)
                raise
        return ports

    async def remove(self, container_id: str, wanted: Callable[[PublishedPort], bool]) -> None:
        """Publish no longer those of the container's ports that ``wanted`` says yes to."""
        for endpoint in list(self._endpoints.get(container_id, {}).values()):
            async with self._lock(endpoint):
                present = self._endpoints.get(container_id, {}).get(endpoint.network_id)
                if present is None:
                    continue
                going = tuple(port for port in present.ports if wanted(port))
                if going:
                    await self._republish((present, tuple(port for port in present.ports if port not in going)))
                    self._driver(present).give_up(self._networks[present.network_id], going)

    async def _republish(self, *changes: tuple[Endpoint, tuple[PublishedPort, ...]]) -> None:
        changed = []
        for endpoint, ports in changes:
            network = self._networks[endpoint.network_id]
            after = await self._driver(endpoint).republish(network, endpoint, ports)
            self._endpoints[endpoint.container_id][network.id] = after
            changed.append(after)
        await self._db.write(lambda connection: records.change_endpoints(connection, changed), frees_room=True)

    def _driver(self, endpoint: Endpoint) -> Driver:
        return self._drivers[self._networks[endpoint.network_id].driver]
