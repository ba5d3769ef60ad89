"""The networks of one daemon and the containers on them: the room's service, and the keeper of its records."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from havre.errors import Forbidden, InvalidParameter, NotFound, SystemFault
from havre.lib.ids import is_id_prefix, new_id
from havre.lib.tasks import TaskOwner
from havre.network import records, sandbox
from havre.network.driver import Driver
from havre.network.drivers import builtin_drivers
from havre.network.model import Endpoint, EndpointRequest, Network
from havre.network.settings import NetworkSettings
from havre.network.threads import to_end
from havre.store.db import Database
from havre.store.layout import Layout

log = logging.getLogger(__name__)
T = TypeVar("T")
DriverList = Callable[[NetworkSettings, Executor, TaskOwner], Iterable[Driver]]

# Docker's three networks that are always there, with their drivers.
PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}


class Networks:
    """What exists, who is connected, and every change to it. ``start``, then ``live``, before anything else."""

    def __init__(
        self, db: Database, settings: NetworkSettings, layout: Layout, drivers: DriverList = builtin_drivers
    ) -> None:
        self.settings = settings
        self._db = db
        self._layout = layout
        self._tasks = TaskOwner("network")
        self._executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="havre-net")
        self._drivers = {driver.name: driver for driver in drivers(settings, self._executor, self._tasks)}
        self._networks: dict[str, Network] = {}
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def start(self) -> None:
        """Load the records and make the kernel fit them: bridges, rules, reservations of published ports.

        Records of containers without a namespace (the host was rebooted, or the crash came first) are dropped.
        """
        self._layout.netns.mkdir(parents=True, exist_ok=True)
        known = {network.name: (network, cursor) for network, cursor in await self._db.read(records.networks)}
        for name, driver in PREDEFINED.items():
            network, cursor = known.get(name) or (Network(new_id(), name, driver, time.time_ns()), 0)
            await self._open(network, cursor)

    async def _open(self, network: Network, cursor: int) -> None:
        driver = self._drivers[network.driver]
        endpoints = [each for each in await self._db.read(records.endpoints) if each.network_id == network.id]
        if network.driver != "host":
            gone = [each for each in endpoints if not sandbox.alive(self.sandbox_path(each.container_id))]
            for endpoint in gone:
                await self._forget(endpoint)
            endpoints = [each for each in endpoints if each not in gone]
        chosen = await driver.choose(network, in_use=bool(endpoints))
        if network.interface not in ("", chosen.interface) or network.subnet not in ("", chosen.subnet):
            await driver.close(network)
        await self._db.write(lambda connection: records.put_network(connection, chosen))
        await driver.open(chosen, endpoints, cursor)
        self._networks[chosen.id] = chosen
        for endpoint in endpoints:
            self._endpoints.setdefault(endpoint.container_id, {})[chosen.id] = endpoint

    async def live(self, container_ids: set[str]) -> None:
        """Drop every endpoint and namespace of containers that are not among ``container_ids``, those that run."""
        for container_id in set(self._endpoints) - container_ids:
            await self.sandbox_remove(container_id)
        for container_id in sandbox.existing(self._layout.netns):
            if container_id not in container_ids:
                await self._in_thread(sandbox.remove, self.sandbox_path(container_id))

    async def stop(self) -> None:
        """End this daemon's part: with no container connected the kernel state goes too, else all of it stays."""
        for network in list(self._networks.values()):
            driver = self._drivers[network.driver]
            await (driver.leave(network) if self.endpoints_on(network.id) else driver.close(network))
        await self._tasks.close()
        self._executor.shutdown()

    def sandbox_path(self, container_id: str) -> Path:
        """Where the container's network namespace is mounted while it has one."""
        return self._layout.netns / container_id

    async def sandbox_create(self, container_id: str) -> Path:
        """Make the container's network namespace, with only its loopback, and return its path for the OCI spec."""
        path = self.sandbox_path(container_id)
        await self._in_thread(sandbox.create, path)
        return path

    async def sandbox_remove(self, container_id: str) -> None:
        """Disconnect the container from all networks and give up its namespace. Right at any stage, also twice."""
        for endpoint in self.endpoints_of(container_id):
            await self._disconnect(endpoint)
        await self._in_thread(sandbox.remove, self.sandbox_path(container_id))

    async def connect(self, container_id: str, network: str, request: EndpointRequest) -> Endpoint:
        """Put the container, whose sandbox exists (but on ``host``), on the network. On any error nothing is left."""
        found = self.get(network)
        self._validate(found, request)
        if found.id in self._endpoints.get(container_id, {}):
            raise Forbidden(f"endpoint with name {request.name} already exists in network {found.name}")
        driver = self._drivers[found.driver]
        endpoint = driver.plan(found, container_id, request)
        self._endpoints.setdefault(container_id, {})[found.id] = endpoint
        cursor = driver.cursor(found)
        try:
            async with self._lock(endpoint):
                await self._db.write(lambda connection: records.add_endpoint(connection, endpoint, cursor))
                await driver.attach(found, endpoint, self.sandbox_path(container_id))
        except BaseException as error:
            try:
                await self._disconnect(endpoint)
            except Exception:
                log.exception("endpoint %s is not undone; it will be with the container's sandbox", request.name)
            if isinstance(error, OSError):
                raise SystemFault(
                    f"failed to create endpoint {request.name} on network {found.name}: {error}"
                ) from error
            raise
        return endpoint

    async def disconnect(self, container_id: str, network: str) -> None:
        """Take the container off the network; its published ports are free again. Not connected is disconnected."""
        endpoint = self._endpoints.get(container_id, {}).get(self.get(network).id)
        if endpoint is not None:
            await self._disconnect(endpoint)

    def get(self, reference: str) -> Network:
        """The network of that name, id or unambiguous beginning of an id; "default" is the bridge."""
        if reference == "default":
            reference = "bridge"
        if reference in self._networks:
            return self._networks[reference]
        for network in self._networks.values():
            if network.name == reference:
                return network
        found = [each for each in self._networks.values() if is_id_prefix(reference) and each.id.startswith(reference)]
        if len(found) > 1:
            raise InvalidParameter(f"network {reference} is ambiguous ({len(found)} matches found on ID prefix)")
        if not found:
            raise NotFound(f"network {reference} not found")
        return found[0]

    def all(self) -> list[Network]:
        """Every network, in the order they were made."""
        return list(self._networks.values())

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        """Where the container is connected now."""
        return list(self._endpoints.get(container_id, {}).values())

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        """Who is connected to the network now."""
        return [on[network_id] for on in self._endpoints.values() if network_id in on]

    async def _disconnect(self, endpoint: Endpoint) -> None:
        network = self._networks[endpoint.network_id]
        driver = self._drivers[network.driver]
        async with self._lock(endpoint):
            if self._endpoints.get(endpoint.container_id, {}).get(network.id) is not endpoint:
                return  # somebody else disconnected it while this waited
            await driver.detach(network, endpoint)
            await self._forget(endpoint)
            driver.release(network, endpoint)
            self._locks.pop(endpoint.endpoint_id, None)

    def _lock(self, endpoint: Endpoint) -> asyncio.Lock:
        """One change to an endpoint at a time."""
        return self._locks.setdefault(endpoint.endpoint_id, asyncio.Lock())

    async def _forget(self, endpoint: Endpoint) -> None:
        await self._db.write(
            lambda connection: records.delete_endpoint(connection, endpoint.endpoint_id), frees_room=True
        )
        connected = self._endpoints.get(endpoint.container_id, {})
        connected.pop(endpoint.network_id, None)
        if not connected:
            self._endpoints.pop(endpoint.container_id, None)

    def _validate(self, network: Network, request: EndpointRequest) -> None:
        if network.name in PREDEFINED:
            if request.ipv4:
                raise InvalidParameter("user specified IP address is supported on user defined networks only")
            if request.aliases:
                raise InvalidParameter("network-scoped alias is supported only for containers in user defined networks")

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await to_end(self._executor, work, *arguments)
