"""The driver of bridge networks: a Linux bridge, a veth pair for each container, one nftables table for the ports."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TypeVar

from havre.errors import Conflict, InvalidParameter, SystemFault, Unavailable
from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.network.drivers import bridge_links
from havre.network.firewall import BridgeRules
from havre.network.ipam import AddressPool, mac_of
from havre.network.model import Endpoint, EndpointRequest, Network
from havre.network.ports import PortLedger
from havre.network.settings import NetworkSettings
from havre.network.tables import Tables
from havre.network.threads import to_end

log = logging.getLogger(__name__)
T = TypeVar("T")

# How long a removed container's namespace may take to carry its veth away before the veth is removed by itself. The
# namespace takes about 80 ms, however many there are; a veth alone takes 14 ms of the kernel's lock that all need.
_GRACE = 0.25
_OWNED = "owned"
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(slots=True)
class _State:
    """What is known of one open network; ``dying`` are removed endpoints whose veth (its key) may still be there."""

    rules: BridgeRules
    pool: AddressPool
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    dying: dict[str, Endpoint] = field(default_factory=dict)
    reaping: bool = False


class BridgeDriver:
    """See ``network.driver.Driver``. Kernel work runs in ``executor``; ``tables`` is None without a firewall."""

    name = "bridge"

    def __init__(
        self,
        settings: NetworkSettings,
        executor: Executor,
        tables: Tables | None,
        ports: PortLedger,
        tasks: TaskOwner,
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._tables = tables
        self._ports = ports
        self._tasks = tasks
        self._states: dict[str, _State] = {}
        self._claims = bridge_links.Claims()

    async def choose(self, network: Network, in_use: bool) -> Network:
        wanted = self._settings.bip
        recorded = _address(network) if network.subnet else None
        name = self._settings.bridge_name
        if in_use and (network.interface != name or wanted not in (None, recorded)):
            log.warning("--bridge and --bip take effect when no container runs: %s stays as it is", network.name)
            name, wanted = network.interface, recorded
        self._claims.claim(name)
        try:
            await self._in_thread(self._claims.begin_choice)
            choice = await self._in_thread(bridge_links.choose, name, recorded, wanted)
        except BaseException:
            self._give_up(name)
            raise
        owned = network.options[_OWNED] if network.interface == name else str(choice.owned).lower()
        return replace(
            network,
            interface=name,
            subnet=str(choice.address.network),
            gateway=str(choice.address.ip),
            options={**network.options, _OWNED: owned},
        )

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        try:
            # A network whose address has changed was closed since it was chosen, and its claim with it.
            self._claims.claim(network.interface)
            await self._open(network, endpoints, cursor)
        except BaseException:
            self._give_up(network.interface)
            raise
        self._claims.end_choice()

    async def _open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        address = _address(network)
        state = _State(
            BridgeRules(network.interface, address.network, self._settings.icc),
            AddressPool(address.network, [address.ip], cursor),
            {endpoint.endpoint_id: endpoint for endpoint in endpoints},
        )
        for endpoint in endpoints:
            with suppress(InvalidParameter):
                state.pool.take(IPv4Address(endpoint.ip_address))
            for port, reason in self._ports.reclaim(endpoint.ports):
                log.warning("port %s/%s stays published, but is not reserved: %s", port.host_port, port.proto, reason)
        # The rules come first: they guard what the bridge's settings open.
        if self._tables is not None:
            await self._tables.install(state.rules, lambda: list(state.endpoints.values()))
        routing = self._tables is not None
        try:
            await self._in_thread(
                bridge_links.open_bridge, network.interface, address, self._settings.mtu, routing, endpoints
            )
        except OSError as error:
            raise Unavailable(f"the bridge {network.interface} cannot be set up: {error}") from error
        self._states[network.id] = state

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        state = self._states[network.id]
        if request.ports and self._tables is None:
            raise Unavailable("ports cannot be published: the daemon runs with --iptables=false")
        if request.mac and not _MAC.fullmatch(request.mac):
            raise InvalidParameter(f"invalid MAC address: {request.mac}")
        endpoint_id = new_id()
        address = state.pool.lease()
        try:
            ports = self._ports.claim(request.ports, self._settings.host_ip, str(address))
        except SystemFault as error:
            state.pool.give_back(address)
            raise SystemFault(
                f"driver failed programming external connectivity on endpoint {request.name} ({endpoint_id}): {error}"
            ) from error
        except BaseException:
            state.pool.give_back(address)
            raise
        endpoint = Endpoint(
            network_id=network.id,
            network_name=network.name,
            endpoint_id=endpoint_id,
            container_id=container_id,
            gateway=network.gateway,
            ip_address=str(address),
            prefix_len=state.rules.subnet.prefixlen,
            mac=request.mac or mac_of(address),
            host_interface=bridge_links.veth_name(endpoint_id),
            ports=ports,
            interface=request.interface or "eth0",
        )
        state.endpoints[endpoint_id] = endpoint
        return endpoint

    def cursor(self, network: Network) -> int:
        return self._states[network.id].pool.cursor

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        link = self._in_thread(bridge_links.join, network.interface, endpoint, sandbox, self._settings.mtu)
        results = await asyncio.gather(link, self._publish(endpoint, network.interface), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        state = self._states[network.id]
        state.endpoints.pop(endpoint.endpoint_id, None)
        if self._tables is not None:
            await self._tables.withdraw(network.interface, endpoint)
        await self._in_thread(bridge_links.silence, endpoint.host_interface)

    def release(self, network: Network, endpoint: Endpoint) -> None:
        state = self._states[network.id]
        self._ports.release(endpoint.ports)
        state.dying[endpoint.host_interface] = endpoint
        if not state.reaping:
            state.reaping = True
            self._tasks.start(self._reap_later(state), "removed interfaces")

    async def leave(self, network: Network) -> None:
        state = self._states.pop(network.id)
        if self._tables is not None:
            self._tables.leave(network.interface)
        for endpoint in state.endpoints.values():
            self._ports.release(endpoint.ports)
        await self._reap(state)
        self._claims.give_up(network.interface)

    async def close(self, network: Network) -> None:
        try:
            self._claims.claim(network.interface)
        except Conflict:
            return  # the name was given up earlier and is another daemon's now
        if network.id in self._states:
            await self._reap(self._states.pop(network.id))
        owned = network.options.get(_OWNED) == "true"
        await self._in_thread(bridge_links.close_bridge, network.interface, owned)
        if self._tables is not None:
            await self._tables.remove(network.interface)
        self._claims.give_up(network.interface)

    def _give_up(self, bridge: str) -> None:
        self._claims.end_choice()
        self._claims.give_up(bridge)

    async def _publish(self, endpoint: Endpoint, bridge: str) -> None:
        if self._tables is None:
            return
        await self._tables.publish(bridge, endpoint)
        if any(port.proto == "udp" for port in endpoint.ports):
            await self._in_thread(bridge_links.forget_flows, [endpoint])

    async def _reap_later(self, state: _State) -> None:
        try:
            while state.dying:
                await asyncio.sleep(_GRACE)
                await self._reap(state)
        finally:
            state.reaping = False

    async def _reap(self, state: _State) -> None:
        """See to it that removed endpoints are out of the kernel; only then are their addresses free."""
        batch = dict(state.dying)
        await self._in_thread(bridge_links.delete, list(batch))
        await self._in_thread(bridge_links.forget_flows, batch.values())
        for name, endpoint in batch.items():
            if state.dying.pop(name, None) is not None:
                state.pool.give_back(IPv4Address(endpoint.ip_address))

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await to_end(self._executor, work, *arguments)


def _address(network: Network) -> IPv4Interface:
    prefix = network.subnet.partition("/")[2]
    return IPv4Interface(f"{network.gateway}/{prefix}")
