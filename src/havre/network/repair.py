"""``havre network repair``: what somebody else took away of networks is made anew."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from havre.errors import HavreError
from havre.network import gateways, records
from havre.network.driver import Driver
from havre.network.model import Endpoint, Network
from havre.store.db import Database


@dataclass(frozen=True, slots=True)
class Repaired:
    """``mended`` of a network: "rules", "bridge", "network" (it could not be set up before), and the containers that
    got their interface back. ``problem`` is what could not be mended, or "".
    """

    network: Network
    mended: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Repairs:
    """``endpoints`` are by container and network; ``broken`` networks are tried again by ``open``."""

    db: Database
    drivers: Mapping[str, Driver]
    networks: Mapping[str, Network]
    endpoints: Mapping[str, Mapping[str, Endpoint]]
    broken: MutableMapping[str, str]
    creating: asyncio.Lock
    lock: Callable[[Endpoint], AbstractAsyncContextManager[object]]
    sandbox_path: Callable[[str], Path]
    open: Callable[[Network, int, list[Endpoint]], Awaitable[None]]

    async def run(self) -> list[Repaired]:
        """Look at every network. Those with nothing to mend are not told of."""
        shared = [await driver.settle() for driver in self.drivers.values()]
        rules = set[str]().union(*shared)
        found = [await self._repair(network, network.id in rules) for network in list(self.networks.values())]
        return [each for each in found if each.mended or each.containers or each.problem]

    async def _repair(self, network: Network, rules: bool) -> Repaired:
        try:
            if network.id in self.broken:
                await self._reopen(network)
                return Repaired(network, ("network",))
            mended = [*(["rules"] if rules else ()), *await self.drivers[network.driver].mend(network)]
            back = [
                on[network.id].container_id
                for on in list(self.endpoints.values())
                if network.id in on and await self._attached_anew(network, on[network.id])
            ]
        except (HavreError, OSError) as error:
            return Repaired(network, problem=str(error))
        return Repaired(network, tuple(mended), tuple(back))

    async def _reopen(self, network: Network) -> None:
        async with self.creating:
            for known, cursor in await self.db.read(records.networks):
                if known.id == network.id:
                    await self.open(known, cursor, [])
                    self.broken.pop(network.id, None)

    async def _attached_anew(self, network: Network, endpoint: Endpoint) -> bool:
        driver = self.drivers[network.driver]
        async with self.lock(endpoint):
            company = self.endpoints.get(endpoint.container_id, {})
            endpoint = company.get(network.id, endpoint)
            if network.id not in company or not await driver.lost(network, endpoint):
                return False
            others = list(company.values())
            default = [each for each in gateways.VERSIONS if gateways.chosen(others, each) is endpoint]
            await driver.attach(network, endpoint, self.sandbox_path(endpoint.container_id), default)
        return True
