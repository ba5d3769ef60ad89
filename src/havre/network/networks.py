"""The networks of one daemon and the containers on them: the room's service, and the keeper of its records."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from havre.errors import Conflict, Forbidden, HavreError, InvalidParameter, NotFound, SystemFault, Unavailable
from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.network import configurations, gateways, records, sandbox
from havre.network.driver import Driver
from havre.network.drivers import builtin_drivers, pools
from havre.network.lookup import lookup
from havre.network.model import PREDEFINED, Endpoint, EndpointRequest, Network
from havre.network.names import NameService, NoNames
from havre.network.publishing import Publishing
from havre.network.repair import Repairs
from havre.network.settings import NetworkSettings
from havre.network.threads import to_end
from havre.store.db import Database
from havre.store.layout import Layout

log = logging.getLogger(__name__)
T = TypeVar("T")
DriverList = Callable[[NetworkSettings, Executor, TaskOwner], Iterable[Driver]]


class Networks:
    """What exists, who is connected, and every change to it. ``start``, then ``live``, before anything else."""

    def __init__(
        self,
        db: Database,
        settings: NetworkSettings,
        layout: Layout,
        drivers: DriverList = builtin_drivers,
        names: NameService | None = None,
    ) -> None:
        self.settings = settings
        self.names: NameService = names or NoNames()
        self._db = db
        self._layout = layout
        self._tasks = TaskOwner("network")
        self._executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="havre-net")
        self._drivers = {driver.name: driver for driver in drivers(settings, self._executor, self._tasks)}
        self._networks: dict[str, Network] = {}
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.publishing = Publishing(db, self._drivers, self._networks, self._endpoints, self._lock)
        # One network at a time is made, lest two choose the same.
        self._creating = asyncio.Lock()
        # Networks that are being removed: their names, subnets and interfaces are free only then.
        self._leaving: dict[str, asyncio.Task[Exception | None]] = {}
        # Networks that could not be set up at the start, and why.
        self._broken: dict[str, str] = {}
        there = (self._drivers, self._networks, self._endpoints, self._broken)
        self.repairs = Repairs(db, *there, self._creating, self._lock, self.sandbox_path, self._open)

    async def start(self) -> None:
        """Load the records and make the kernel fit them: bridges, rules, reservations of published ports.

        Records of containers without a namespace (the host was rebooted, or the crash came first) are dropped.
        """
        self._layout.netns.mkdir(parents=True, exist_ok=True)
        known = {network.name: (network, cursor) for network, cursor in await self._db.read(records.networks)}
        endpoints: dict[str, list[Endpoint]] = {}
        for endpoint in await self._db.read(records.endpoints):
            endpoints.setdefault(endpoint.network_id, []).append(endpoint)
        for name, driver in PREDEFINED.items():
            if name not in known:
                known[name] = Network(new_id(), name, driver, time.time_ns()), 0
            network, cursor = known.pop(name)
            await self._open(network, cursor, endpoints.get(network.id, []))
        # Bridges side by side: what they change in nftables is done in a few transactions then.
        bridges = [each for each in known.values() if each[0].driver == "bridge"]
        others = [each for each in known.values() if each[0].driver != "bridge"]
        await asyncio.gather(*(self._try_to_open(network, cursor, endpoints) for network, cursor in bridges))
        for network, cursor in others:
            await self._try_to_open(network, cursor, endpoints)
        # In the order in which they were made.
        for network, _ in known.values():
            self._networks[network.id] = self._networks.pop(network.id)

    async def _try_to_open(self, network: Network, cursor: int, endpoints: Mapping[str, list[Endpoint]]) -> None:
        try:
            await self._open(network, cursor, endpoints.get(network.id, []))
        except (HavreError, OSError) as error:
            log.error("network %s cannot be set up: %s", network.name, error)
            self._networks[network.id] = network
            self._broken[network.id] = str(error)

    async def _open(self, network: Network, cursor: int, endpoints: list[Endpoint]) -> None:
        if network.driver not in self._drivers:
            raise NotFound(f'plugin "{network.driver}" not found')
        driver = self._drivers[network.driver]
        if network.driver != "host":
            gone = [each for each in endpoints if not sandbox.alive(self.sandbox_path(each.container_id))]
            for endpoint in gone:
                await self._forget(endpoint)
            endpoints = [each for each in endpoints if each not in gone]
        chosen = await driver.choose(network, in_use=bool(endpoints))
        if network.interface not in ("", chosen.interface) or network.subnet not in ("", chosen.subnet):
            await driver.close(network)
        if chosen != network or network.predefined:
            await self._db.write(lambda connection: records.put_network(connection, chosen))
        await driver.open(chosen, endpoints, cursor)
        self._networks[chosen.id] = chosen
        for endpoint in endpoints:
            self._endpoints.setdefault(endpoint.container_id, {})[chosen.id] = endpoint

    async def create(self, network: Network) -> Network:
        """Make the network, its record first. On any error nothing is left.

        ``Conflict`` (the name is taken), ``Forbidden`` (its subnet is), ``NotFound`` (no such driver), and what the
        driver has against it.
        """
        if network.driver not in self._drivers:
            raise NotFound(f'plugin "{network.driver}" not found')
        driver = self._drivers[network.driver]
        async with self._creating:
            while self._leaving:
                await asyncio.wait(list(self._leaving.values()))
            if any(network.name == other.name for other in self._networks.values()):
                raise Conflict(f"network with name {network.name} already exists")
            network = configurations.adopt(network, self._networks.values())
            taken = [pool.subnet for other in self._networks.values() if not other.config_only for pool in other.pools]
            if not network.config_only:
                pools.check(network, taken)
                driver.check(network)
            chosen = await driver.choose(network, False, taken)
            try:
                await self._db.write(lambda connection: records.put_network(connection, chosen))
                await driver.open(chosen, [], 0)
            except BaseException:
                await self._undo_create(chosen)
                raise
            self._networks[chosen.id] = chosen
        return chosen

    async def _undo_create(self, network: Network) -> None:
        try:
            await self._drivers[network.driver].close(network)
            await self._db.write(lambda connection: records.delete_network(connection, network.id))
        except (HavreError, OSError):
            log.exception("network %s is not undone; it will be there after the daemon's next start", network.name)

    async def remove(self, network: Network) -> None:
        """Remove the network. ``Forbidden`` while a container is on it, or a network is made from it."""
        # A network that is just being made may be made from this one.
        async with self._creating if network.config_only else nullcontext():
            await self._remove_unused(network)

    async def _remove_unused(self, network: Network) -> None:
        if self._networks.pop(network.id, None) is None:
            raise NotFound(f"network {network.id} not found")
        try:
            if network.config_only:
                configurations.check_unused(network, self._networks.values())
            if self.endpoints_on(network.id):
                raise Forbidden(f"network {network.name} has active endpoints")
        except Forbidden:
            self._networks[network.id] = network
            raise
        # A client that does not wait for it has asked for it all the same.
        self._leaving[network.id] = self._tasks.start(self._remove(network), f"removal of network {network.name}")
        error = await asyncio.shield(self._leaving[network.id])
        if error is not None:
            raise error

    async def _remove(self, network: Network) -> Exception | None:
        try:
            # There is none for a network that could not be set up for that reason.
            if (driver := self._drivers.get(network.driver)) is not None:
                await driver.close(network)
            await self._db.write(lambda connection: records.delete_network(connection, network.id), frees_room=True)
        except Exception as error:
            # Half of it may be gone: the next start makes it whole.
            self._networks[network.id] = network
            self._broken[network.id] = f"its removal failed: {error}"
            return error
        finally:
            self._leaving.pop(network.id, None)
        self._broken.pop(network.id, None)
        return None

    async def live(self, container_ids: set[str]) -> None:
        """Drop every endpoint and namespace of containers that are not among ``container_ids``, those that run; and of
        those each endpoint whose connecting, or disconnecting, the last daemon died in.
        """
        for container_id in set(self._endpoints) - container_ids:
            await self.sandbox_remove(container_id)
        for endpoint in [each for on in self._endpoints.values() for each in on.values() if each.unsettled]:
            try:
                await self.disconnect(endpoint.container_id, endpoint.network_id)
            except (HavreError, OSError) as error:
                log.error("container %s stays on network %s: %s", endpoint.container_id, endpoint.network_name, error)
        for container_id in sandbox.existing(self._layout.netns):
            if container_id not in container_ids:
                await self.names.detach(container_id)
                await self._in_thread(sandbox.remove, self.sandbox_path(container_id))

    async def stop(self) -> None:
        """End this daemon's part: with no container connected the kernel state goes too, else all of it stays."""
        await self.names.close()
        if self._leaving:
            await asyncio.wait(list(self._leaving.values()))
        # Side by side: what they change in nftables is done in a few transactions then.
        ends = [self._end(network) for network in self._networks.values() if network.id not in self._broken]
        outcomes = await asyncio.gather(*ends, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        await self._tasks.close()
        self._executor.shutdown()

    async def _end(self, network: Network) -> None:
        driver = self._drivers[network.driver]
        await (driver.leave(network) if self.endpoints_on(network.id) else driver.close(network))

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
        await self.names.detach(container_id)
        for endpoint in self.endpoints_of(container_id):
            await self._disconnect(endpoint)
        await self._in_thread(sandbox.remove, self.sandbox_path(container_id))

    async def connect(
        self, container_id: str, network: str, request: EndpointRequest, *, running: bool = False
    ) -> Endpoint:
        """Put the container, whose sandbox exists (but on ``host``), on the network. On any error nothing is left.

        ``running``: it goes on should the daemon die meanwhile.
        """
        found = self.get(network)
        self._validate(found, request)
        others = self.endpoints_of(container_id)
        if found.id in self._endpoints.get(container_id, {}):
            raise Forbidden(f"endpoint with name {request.name} already exists in network {found.name}")
        driver = self._drivers[found.driver]
        if others:
            interface = request.interface or gateways.interface(driver.interface_prefix(found), others)
            if interface in {other.interface for other in others}:
                raise InvalidParameter(f"the container has an interface {interface} already")
            request = replace(request, interface=interface)
        if not gateways.publishes(found, request, self.publishing.places(others)):
            request = replace(request, ports=())
        endpoint = replace(driver.plan(found, container_id, request), unsettled=running)
        default = [each for each in gateways.VERSIONS if gateways.chosen([*others, endpoint], each) is endpoint]
        self._endpoints.setdefault(container_id, {})[found.id] = endpoint
        cursor = driver.cursor(found)
        try:
            async with self._lock(endpoint):
                await self._db.write(lambda connection: records.add_endpoint(connection, endpoint, cursor))
                await driver.attach(found, endpoint, self.sandbox_path(container_id), default)
            if others:
                await self.publishing.move(container_id, self.endpoints_of(container_id))
            if running:
                await self._settle(container_id, found.id, unsettled=False)
        except BaseException as error:
            try:
                # What it may have taken over goes back to the container's other networks.
                await (self.disconnect(container_id, found.id) if others else self._disconnect(endpoint))
            except Exception:
                log.exception("endpoint %s is not undone; it will be with the container's sandbox", request.name)
            if isinstance(error, OSError):
                raise SystemFault(
                    f"failed to create endpoint {request.name} on network {found.name}: {error}"
                ) from error
            raise
        self.names.changed()
        return self._endpoints[container_id][found.id]

    async def disconnect(self, container_id: str, network: str) -> None:
        """Take the container, which goes on, off the network: its default route and published ports move to another of
        its networks. Not connected is disconnected.
        """
        endpoint = self._endpoints.get(container_id, {}).get(self.get(network).id)
        if endpoint is None:
            return
        rest = [other for other in self.endpoints_of(container_id) if other is not endpoint]
        heirs, path = gateways.heirs(rest, endpoint), self.sandbox_path(container_id)
        await self._settle(container_id, endpoint.network_id, unsettled=True)
        await self.publishing.move(container_id, rest)
        if heirs:
            await self._in_thread(sandbox.route, path, heirs)
        await self._disconnect(self._endpoints[container_id][endpoint.network_id], alive=True)

    async def _settle(self, container_id: str, network_id: str, *, unsettled: bool) -> None:
        changed = replace(self._endpoints[container_id][network_id], unsettled=unsettled)
        await self._db.write(lambda connection: records.change_endpoints(connection, [changed]), frees_room=unsettled)
        self._endpoints[container_id][network_id] = changed

    async def rename(self, container_id: str, old: str, new: str) -> None:
        """The container is called ``new`` by others from now on, no more ``old``."""
        changed = [
            replace(endpoint, names=tuple(new if name == old else name for name in endpoint.names))
            for endpoint in self.endpoints_of(container_id)
            if old in endpoint.names
        ]
        if changed:
            await self._db.write(lambda connection: records.change_endpoints(connection, changed))
            for endpoint in changed:
                self._endpoints[container_id][endpoint.network_id] = endpoint
            self.names.changed()

    def get(self, reference: str) -> Network:
        """The network of that name, id or unambiguous beginning of an id; "default" is the bridge."""
        if reference == "default":
            reference = "bridge"
        return lookup(self._networks, reference)

    def find(self, reference: str) -> Network | None:
        """As ``get``; None when there is none."""
        try:
            return self.get(reference)
        except NotFound:
            return None

    def usable(self, reference: str) -> bool:
        """Whether there is such a network, and it could be set up."""
        found = self.find(reference)
        return found is not None and found.id not in self._broken

    @property
    def kinds(self) -> tuple[str, ...]:
        """The drivers there are, by name."""
        return tuple(sorted(self._drivers))

    def all(self) -> list[Network]:
        """Every network, in the order they were made."""
        return list(self._networks.values())

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        """Where the container is connected now."""
        return list(self._endpoints.get(container_id, {}).values())

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        """Who is connected to the network now."""
        return [on[network_id] for on in self._endpoints.values() if network_id in on]

    async def _disconnect(self, endpoint: Endpoint, *, alive: bool = False) -> None:
        network = self._networks[endpoint.network_id]
        driver = self._drivers[network.driver]
        async with self._lock(endpoint):
            present = self._endpoints.get(endpoint.container_id, {}).get(network.id)
            if present is None or present.endpoint_id != endpoint.endpoint_id:
                return  # somebody else disconnected it while this waited
            endpoint = present
            await driver.detach(network, endpoint, self.sandbox_path(endpoint.container_id), alive=alive)
            await self._forget(endpoint)
            driver.release(network, endpoint)
            self._locks.pop(endpoint.endpoint_id, None)
        self.names.changed()

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
        if network.id in self._broken:
            raise Unavailable(f"network {network.name} could not be set up: {self._broken[network.id]}")
        if network.config_only:
            raise Forbidden("cannot create endpoint on configuration-only network")
        if network.predefined:
            if request.ipv4 or request.ipv6:
                raise InvalidParameter("user specified IP address is supported on user defined networks only")
            if request.aliases:
                raise InvalidParameter("network-scoped alias is supported only for containers in user defined networks")

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await to_end(self._executor, work, *arguments)
