"""The driver of bridge networks: a Linux bridge, a veth pair for each container, nftables for the ports."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path
from typing import TypeVar

from havre.errors import Conflict, Forbidden, InvalidParameter, SystemFault, Unavailable
from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.network.drivers import bridge_links, bridge_options, pools
from havre.network.drivers.bridge_links import BridgeSpec
from havre.network.drivers.bridge_options import BridgeOptions
from havre.network.drivers.pools import Addresses
from havre.network.firewall import BridgeRules
from havre.network.ipam import mac_from, mac_of
from havre.network.model import MAC, Endpoint, EndpointRequest, Network, Pool, PortRequest, PublishedPort
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
_NO_RULES = "ports cannot be published: the daemon runs with --iptables=false"


@dataclass(slots=True)
class _State:
    """What is known of one open network; ``dying`` are removed endpoints whose veth (its key) may still be there."""

    rules: BridgeRules
    options: BridgeOptions
    spec: BridgeSpec
    addresses: Addresses
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    dying: dict[str, Endpoint] = field(default_factory=dict)
    # Endpoints with an address of one that is dying, which must be out of the kernel first: the news that its link has
    # come up may still be on its way, and would let the bridge's port speak again.
    heirs: set[str] = field(default_factory=set)
    reaping: bool = False

    def inherit(self, request: EndpointRequest) -> bool:
        """Free the addresses asked for, if it is a removed endpoint that has them, and say so."""
        before = list(self.dying.values())
        for name, endpoint in self.dying.items():
            if request.ipv4 and _same(request.ipv4, endpoint.ip_address):
                self.addresses.give_back(endpoint.ip_address)
                self.dying[name] = endpoint = replace(endpoint, ip_address="")
            if request.ipv6 and _same(request.ipv6, endpoint.ipv6_address):
                self.addresses.give_back(endpoint.ipv6_address)
                self.dying[name] = replace(endpoint, ipv6_address="")
        return before != list(self.dying.values())


class BridgeDriver:
    """See ``network.driver.Driver``. Kernel work runs in ``executor``; ``tables`` is None without a firewall."""

    name = "bridge"
    publishes = True

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
        # The network between its choice and its opening, "" if there is none.
        self._choosing = ""

    def check(self, network: Network) -> None:
        options = bridge_options.read(network.options, self._settings, network.internal)
        bridge_options.check_mtu(options, network.ipv6)
        if len(network.pools_of(4)) > 1 or len(network.pools_of(6)) > 1:
            raise Forbidden("bridge driver doesn't support multiple subnets")
        for other_id, state in self._states.items():
            if options.name and state.spec.name == options.name:
                raise Forbidden(
                    f"cannot create network {network.id} ({options.name}): conflicts with network {other_id} "
                    f"({options.name}): networks have same bridge name"
                )

    async def choose(self, network: Network, in_use: bool, taken: Sequence[str] = ()) -> Network:
        if network.predefined:
            return await self._choose_default(network, in_use)
        name = network.interface or network.options.get(bridge_options.NAME) or f"br-{network.id[:12]}"
        self._claims.claim(name)
        if network.interface:
            return network
        try:
            owned = not await self._in_thread(bridge_links.existing, name)
            await self._in_thread(self._claims.begin_choice)
            self._choosing = network.id
            busy = await self._in_thread(bridge_links.busy)
            options = bridge_options.read(network.options, self._settings, network.internal)
            chosen = pools.choose(network, self._settings, not options.isolated, busy, taken)
        except BaseException:
            self._give_up(name)
            raise
        return replace(network, interface=name, pools=chosen, state={_OWNED: str(owned).lower()})

    async def _choose_default(self, network: Network, in_use: bool) -> Network:
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
        owned = network.state[_OWNED] if network.interface == name else str(choice.owned).lower()
        pool = Pool(str(choice.address.network), str(choice.address.ip))
        return replace(network, interface=name, pools=(pool,), state={**network.state, _OWNED: owned})

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        try:
            # A network whose address has changed was closed since it was chosen, and its claim with it.
            self._claims.claim(network.interface)
            await self._open(network, endpoints, cursor)
        except BaseException:
            self._give_up(network.interface)
            raise
        self._end_choice()

    async def _open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        options = self._options(network)
        state = _State(
            self._rules(network, options),
            options,
            self._spec(network, options),
            Addresses(network, cursor),
            {endpoint.endpoint_id: endpoint for endpoint in endpoints},
        )
        for endpoint in endpoints:
            for address in endpoint.addresses:
                with suppress(InvalidParameter, Forbidden):
                    state.addresses.take(address)
            for port, reason in self._ports.reclaim(endpoint.ports):
                log.warning("port %s/%s stays published, but is not reserved: %s", port.host_port, port.proto, reason)
        # The rules come first: they guard what the bridge's settings open.
        if self._tables is not None:
            if network.predefined:
                self._tables.name(network.interface)
            await self._tables.install(state.rules, lambda: list(state.endpoints.values()))
        try:
            await self._in_thread(bridge_links.open_bridge, state.spec, endpoints)
        except OSError as error:
            raise Unavailable(f"the bridge {network.interface} cannot be set up: {error}") from error
        self._states[network.id] = state

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        state = self._states[network.id]
        if request.ports and self._tables is None:
            raise Unavailable(_NO_RULES)
        if request.mac and not MAC.fullmatch(request.mac):
            raise InvalidParameter(f"invalid MAC address: {request.mac}")
        endpoint_id = new_id()
        if state.inherit(request):
            state.heirs.add(endpoint_id)
        ipv4, ipv6 = state.addresses.lease(request)
        try:
            ports = self._claim(state, request.ports, ipv4, ipv6)
        except SystemFault as error:
            state.addresses.give_back(ipv4, ipv6)
            raise SystemFault(
                f"driver failed programming external connectivity on endpoint {request.name} ({endpoint_id}): {error}"
            ) from error
        except BaseException:
            state.addresses.give_back(ipv4, ipv6)
            raise
        endpoint = Endpoint(
            network_id=network.id,
            network_name=network.name,
            endpoint_id=endpoint_id,
            container_id=container_id,
            gateway=_gateway(network, 4) if ipv4 else "",
            ip_address=ipv4,
            prefix_len=pools.prefix(network, 4) if ipv4 else 0,
            mac=request.mac or (mac_of(IPv4Address(ipv4)) if ipv4 else mac_from(endpoint_id)),
            host_interface=bridge_links.veth_name(endpoint_id),
            ports=ports,
            interface=request.interface or f"{state.options.prefix}0",
            ipv6_gateway=_gateway(network, 6) if ipv6 else "",
            ipv6_address=ipv6,
            ipv6_prefix_len=pools.prefix(network, 6) if ipv6 else 0,
            link_local=request.link_local,
            names=request.names,
            links=request.links,
            priority=request.priority,
        )
        state.endpoints[endpoint_id] = endpoint
        return endpoint

    def _claim(self, state: _State, requests: Sequence[PortRequest], ipv4: str, ipv6: str) -> tuple[PublishedPort, ...]:
        reached = ipv6 if state.rules.subnet6 is not None else ""
        routed = [version for version, family in ((4, "ip"), (6, "ip6")) if state.rules.routed(family)]
        return self._ports.claim(requests, state.options.host_ip, ipv4, reached, routed)

    def reserve(
        self, network: Network, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        if self._tables is None:
            raise Unavailable(_NO_RULES)
        return self._claim(self._states[network.id], requests, endpoint.ip_address, endpoint.ipv6_address)

    def give_up(self, network: Network, ports: tuple[PublishedPort, ...]) -> None:
        self._ports.release(ports)

    def interface_prefix(self, network: Network) -> str:
        return self._states[network.id].options.prefix

    def cursor(self, network: Network) -> int:
        return self._states[network.id].addresses.cursor

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        state = self._states[network.id]
        if endpoint.endpoint_id in state.heirs:
            await self._reap(state)
        link = self._in_thread(bridge_links.join, state.spec, endpoint, sandbox, default)
        published = self._publish(endpoint, network.interface)
        for result in await asyncio.gather(link, published, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def republish(self, network: Network, endpoint: Endpoint, ports: tuple[PublishedPort, ...]) -> Endpoint:
        changed = replace(endpoint, ports=ports)
        gone = replace(endpoint, ports=tuple(port for port in endpoint.ports if port not in ports))
        come = replace(endpoint, ports=tuple(port for port in ports if port not in endpoint.ports))
        self._states[network.id].endpoints[endpoint.endpoint_id] = changed
        if self._tables is not None:
            await self._tables.withdraw(network.interface, gone)
            # All of them: one that is gone may have shared an element with one that stays.
            await self._tables.publish(network.interface, changed)
            await self._in_thread(bridge_links.forget_flows, [gone, come])
        return changed

    async def detach(self, network: Network, endpoint: Endpoint, sandbox: Path, *, alive: bool = False) -> None:
        state = self._states[network.id]
        state.endpoints.pop(endpoint.endpoint_id, None)
        state.heirs.discard(endpoint.endpoint_id)
        if self._tables is not None:
            await self._tables.withdraw(network.interface, endpoint)
        await self._in_thread(bridge_links.silence, endpoint.host_interface)
        if alive:
            await self._in_thread(bridge_links.delete, [endpoint.host_interface])

    def release(self, network: Network, endpoint: Endpoint) -> None:
        state = self._states[network.id]
        self._ports.release(endpoint.ports)
        state.dying[endpoint.host_interface] = endpoint
        if not state.reaping:
            state.reaping = True
            self._tasks.start(self._reap_later(state), "removed interfaces")

    async def settle(self) -> set[str]:
        changed = await self._tables.settle() if self._tables is not None else set()
        return {network_id for network_id, state in self._states.items() if state.spec.name in changed}

    async def mend(self, network: Network) -> list[str]:
        state = self._states[network.id]
        bridge = await self._in_thread(bridge_links.mend_bridge, state.spec, list(state.endpoints.values()))
        return ["bridge"] if bridge else []

    async def lost(self, network: Network, endpoint: Endpoint) -> bool:
        return not await self._in_thread(bridge_links.present, endpoint.host_interface)

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
        if self._choosing == network.id:
            self._end_choice()
        if network.id in self._states:
            await self._reap(self._states.pop(network.id))
        owned = network.state.get(_OWNED) == "true"
        await self._in_thread(bridge_links.close_bridge, network.interface, owned)
        if self._tables is not None:
            await self._tables.remove(network.interface)
        self._claims.give_up(network.interface)

    def _options(self, network: Network) -> BridgeOptions:
        options = bridge_options.read(network.options, self._settings, network.internal)
        return replace(options, icc=self._settings.icc) if network.predefined else options

    def _spec(self, network: Network, options: BridgeOptions) -> BridgeSpec:
        addresses = () if options.isolated else tuple(_addresses(network))
        first = addresses[0] if addresses and isinstance(addresses[0], IPv4Interface) else None
        mac = mac_of(first.ip) if first is not None else mac_from(network.id)
        return BridgeSpec(network.interface, mac, addresses, options.mtu, self._routing(), not options.icc)

    def _routing(self) -> tuple[int, ...]:
        if self._tables is None:
            return ()
        return (4, 6) if self._settings.firewall6 else (4,)

    def _rules(self, network: Network, options: BridgeOptions) -> BridgeRules:
        rules = replace(bridge_options.rules(network, options), honest=self._settings.honest)
        return rules if self._settings.firewall6 else replace(rules, subnet6=None)

    def _end_choice(self) -> None:
        self._choosing = ""
        self._claims.end_choice()

    def _give_up(self, bridge: str) -> None:
        self._end_choice()
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
        batch = list(state.dying)
        await self._in_thread(bridge_links.delete, batch)
        await self._in_thread(bridge_links.forget_flows, [state.dying[name] for name in batch if name in state.dying])
        for name in batch:
            if (endpoint := state.dying.pop(name, None)) is not None:
                state.addresses.give_back(*endpoint.addresses)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await to_end(self._executor, work, *arguments)


def _address(network: Network) -> IPv4Interface:
    prefix = network.subnet.partition("/")[2]
    return IPv4Interface(f"{network.gateway}/{prefix}")


def _addresses(network: Network) -> Iterator[IPv4Interface | IPv6Interface]:
    for version in (4, 6):
        for pool in network.pools_of(version):
            if pool.gateway:
                yield ip_interface(f"{pool.gateway}/{pool.subnet.partition('/')[2]}")


def _same(asked: str, held: str) -> bool:
    return bool(held) and ip_address(asked) == ip_address(held)


def _gateway(network: Network, version: int) -> str:
    """Where its containers send what is for elsewhere; nowhere from an internal network."""
    return "" if network.internal else next((pool.gateway for pool in network.pools_of(version)), "")
