"""The driver of bridge networks: a Linux bridge, a veth pair for each container, one nftables table for the ports."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TypeVar

from havre.errors import InvalidParameter, SystemFault, Unavailable
from havre.kernel.nftables import NftError
from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.network import firewall
from havre.network.drivers import bridge_links
from havre.network.firewall import BridgeRules, Commits
from havre.network.ipam import AddressPool, mac_of
from havre.network.model import Endpoint, EndpointRequest, Network
from havre.network.ports import PortLedger
from havre.network.settings import NetworkSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

# How long a removed container's namespace may take to carry its veth away before the veth is removed by itself. The
# namespace takes about 80 ms, however many there are; a veth alone takes 14 ms of the kernel's lock that all need.
_GRACE = 0.25


@dataclass(slots=True)
class _State:
    """What is known of one open network: the addresses and endpoints in use."""

    rules: BridgeRules
    pool: AddressPool
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class BridgeDriver:
    """See ``network.driver.Driver``. Kernel work runs in ``executor``; ``commits`` is None without a firewall."""

    name = "bridge"

    def __init__(
        self,
        settings: NetworkSettings,
        executor: Executor,
        commits: Commits | None,
        ports: PortLedger,
        tasks: TaskOwner,
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._commits = commits
        self._ports = ports
        self._tasks = tasks
        self._states: dict[str, _State] = {}
        self._dying: dict[str, Callable[[], None]] = {}
        self._reaping = False
        self._choice = bridge_links.ChoiceLock()

    async def choose(self, network: Network) -> Network:
        await self._in_thread(self._choice.acquire)
        choice = await self._in_thread(
            bridge_links.choose,
            network.interface or self._settings.bridge_name,
            network.subnet,
            network.gateway,
            self._settings.bip,
        )
        options = {**network.options, "owned": "true" if choice.owned else "false"}
        if network.interface and network.interface == choice.interface:
            options["owned"] = network.options.get("owned", options["owned"])
        return replace(
            network,
            interface=choice.interface,
            subnet=str(choice.address.network),
            gateway=str(choice.address.ip),
            options=options,
        )

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        try:
            await self._open(network, endpoints, cursor)
        finally:
            self._choice.release()

    async def _open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        address = _address(network)
        gateway = IPv4Address(network.gateway)
        state = _State(
            BridgeRules(network.interface, address.network, self._settings.icc),
            AddressPool(address.network, [gateway], cursor),
        )
        for endpoint in endpoints:
            state.endpoints[endpoint.endpoint_id] = endpoint
            with suppress(InvalidParameter):
                state.pool.take(IPv4Address(endpoint.ip_address))
            for port, reason in self._ports.reclaim(endpoint.ports):
                log.warning("port %s/%s stays published, but is not reserved: %s", port.host_port, port.proto, reason)
        self._states[network.id] = state
        # The rules come first: they guard what the bridge's settings open.
        if self._commits is not None:
            try:
                await self._commits.apply(firewall.ruleset(state.rules, endpoints))
            except NftError as error:
                raise Unavailable(
                    f"this kernel cannot do NAT with nftables (start with --iptables=false to do without): {error}"
                ) from error
        kept = {endpoint.host_interface for endpoint in endpoints}
        await self._in_thread(
            bridge_links.open_bridge, network.interface, address, self._settings.mtu, self._commits is not None, kept
        )

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        state = self._states[network.id]
        if request.ports and self._commits is None:
            raise Unavailable("ports cannot be published: the daemon runs with --iptables=false")
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
            host_interface=f"veth{endpoint_id[:11]}",
            ports=ports,
        )
        state.endpoints[endpoint_id] = endpoint
        return endpoint

    def cursor(self, network: Network) -> int:
        return self._states[network.id].pool.cursor

    def release(self, network: Network, endpoint: Endpoint) -> None:
        state = self._states[network.id]
        state.endpoints.pop(endpoint.endpoint_id, None)
        self._ports.release(endpoint.ports)
        address = IPv4Address(endpoint.ip_address)
        # The address stays leased until the kernel has really let go of the interface that has it.
        self._dying[endpoint.host_interface] = lambda: state.pool.give_back(address)
        if not self._reaping:
            self._reaping = True
            self._tasks.start(self._reap(), "removed interfaces")

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        state = self._states[network.id]
        published = firewall.publish(state.rules.table, endpoint)
        link = self._in_thread(bridge_links.join, network.interface, endpoint, sandbox, self._settings.mtu)
        if published and self._commits is not None:
            results = await asyncio.gather(link, self._publish(state, "".join(published)), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        else:
            await link

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        state = self._states[network.id]
        lines = firewall.publish(state.rules.table, endpoint) + firewall.withdraw(state.rules.table, endpoint)
        if endpoint.ports and self._commits is not None:
            # Adding before deleting makes it right also for elements that were never added.
            with suppress(NftError):
                await self._commits.apply("".join(lines))
        await self._in_thread(bridge_links.silence, endpoint.host_interface)

    async def close(self, network: Network) -> None:
        state = self._states.pop(network.id)
        if network.options.get("owned") == "true":
            await self._in_thread(bridge_links.delete, [network.interface])
        if self._commits is not None:
            await self._commits.apply(firewall.removal(state.rules.table))

    async def _publish(self, state: _State, commands: str) -> None:
        assert self._commits is not None
        try:
            await self._commits.apply(commands)
        except NftError as error:
            # Somebody flushed the host's rules (`nft flush ruleset`, a restarted firewall): put all of ours back.
            log.warning("nftables table %s was damaged and is made anew: %s", state.rules.table, error)
            await self._commits.apply(firewall.ruleset(state.rules, state.endpoints.values()))

    async def _reap(self) -> None:
        try:
            while self._dying:
                await asyncio.sleep(_GRACE)
                batch = dict(self._dying)
                await self._in_thread(bridge_links.delete, list(batch))
                for name, done in batch.items():
                    self._dying.pop(name, None)
                    done()
        finally:
            self._reaping = False

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Run ``work`` off the loop; when cancelled, wait for its end all the same: undoing it must come after it."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise


def _address(network: Network) -> IPv4Interface:
    prefix = network.subnet.partition("/")[2]
    return IPv4Interface(f"{network.gateway}/{prefix}")
