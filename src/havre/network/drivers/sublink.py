"""The drivers of macvlan and ipvlan networks: containers stand beside the host on the network of a parent interface."""

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from havre.errors import Forbidden, InvalidParameter, SystemFault, Unsupported
from havre.kernel import namespaces, sublinks
from havre.kernel.netlink import NetlinkError
from havre.kernel.rtnetlink import Rtnetlink, link_delete
from havre.lib.ids import new_id
from havre.network import sandbox as sandboxes
from havre.network.drivers import bridge_links, parents, pools
from havre.network.drivers.parents import ParentOptions
from havre.network.drivers.pools import Addresses
from havre.network.ipam import mac_from, mac_of
from havre.network.model import MAC, Endpoint, EndpointRequest, Network, PortRequest, PublishedPort
from havre.network.settings import NetworkSettings
from havre.network.threads import to_end

T = TypeVar("T")

_MADE = "made"
# The next hop of a route that has none: whoever is asked for is on the link.
_ON_LINK = {4: "0.0.0.0", 6: "::"}


@dataclass(slots=True)
class _State:
    network: Network
    options: ParentOptions
    addresses: Addresses
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class SublinkDriver:
    """See ``network.driver.Driver``; ``name`` is macvlan or ipvlan. Published ports are left aside, as Docker does: the
    container has an address on the network outside.
    """

    publishes = False

    def __init__(self, name: str, settings: NetworkSettings, executor: Executor) -> None:
        self.name = name
        self._settings = settings
        self._executor = executor
        self._states: dict[str, _State] = {}

    def check(self, network: Network) -> None:
        options = parents.read(self.name, network.options)
        if len(network.pools_of(4)) > 1 or len(network.pools_of(6)) > 1:
            raise Unsupported(f"havre does not implement several subnets of one IP version on {self.name} networks yet")
        for other in self._states.values():
            if not options.parent or other.network.interface != options.parent:
                continue
            if self.name == "ipvlan":
                raise Forbidden(f"network {other.network.name} is already using parent interface {options.parent}")
            if "passthru" in (options.mode, other.options.mode):
                raise Forbidden(
                    f"cannot use mode passthru, macvlan network {other.network.id} is already using parent interface "
                    f"{options.parent}"
                )

    async def choose(self, network: Network, in_use: bool, taken: Sequence[str] = ()) -> Network:
        if network.interface:
            return network
        options = parents.read(self.name, network.options)
        await self._in_thread(parents.check_kernel, self.name)
        parent = options.parent or parents.dummy_name(network.id, self.name)
        made = await self._in_thread(parents.kind_to_make, parent, not options.parent)
        shared = next((each for each in self._states.values() if each.network.interface == parent), None)
        if shared is not None:
            made = shared.network.state[_MADE]
        busy = await self._in_thread(bridge_links.busy)
        chosen = pools.choose(network, self._settings, True, busy, taken)
        return replace(network, interface=parent, pools=chosen, state={_MADE: made})

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        state = _State(
            network,
            parents.read(self.name, network.options),
            Addresses(network, cursor),
            {endpoint.endpoint_id: endpoint for endpoint in endpoints},
        )
        for endpoint in endpoints:
            for address in endpoint.addresses:
                with suppress(InvalidParameter, Forbidden):
                    state.addresses.take(address)
        await self._in_thread(parents.make, network.interface, network.state.get(_MADE, ""))
        self._states[network.id] = state

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        state = self._states[network.id]
        if request.mac and self.name == "ipvlan":
            raise InvalidParameter("ipvlan interfaces do not support custom mac address assignment")
        if request.mac and not MAC.fullmatch(request.mac):
            raise InvalidParameter(f"invalid MAC address: {request.mac}")
        ipv4, ipv6 = state.addresses.lease(request)
        endpoint_id = new_id()
        mac = ""
        if self.name == "macvlan":
            mac = request.mac or (mac_of(IPv4Address(ipv4)) if ipv4 else mac_from(endpoint_id))
        endpoint = Endpoint(
            network_id=network.id,
            network_name=network.name,
            endpoint_id=endpoint_id,
            container_id=container_id,
            gateway=_gateway(state, 4) if ipv4 else "",
            ip_address=ipv4,
            prefix_len=pools.prefix(network, 4) if ipv4 else 0,
            mac=mac,
            interface=request.interface or "eth0",
            ipv6_gateway=_gateway(state, 6) if ipv6 else "",
            ipv6_address=ipv6,
            ipv6_prefix_len=pools.prefix(network, 6) if ipv6 else 0,
            link_local=request.link_local,
            names=request.names,
            links=request.links,
            priority=request.priority,
        )
        state.endpoints[endpoint_id] = endpoint
        return endpoint

    def interface_prefix(self, network: Network) -> str:
        return "eth"

    def cursor(self, network: Network) -> int:
        return self._states[network.id].addresses.cursor

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        options = self._states[network.id].options
        try:
            await self._in_thread(_join, self.name, network.interface, options, endpoint, sandbox, default)
        except NetlinkError as error:
            if error.errno == errno.EOPNOTSUPP:
                raise parents.lacking("l3s" if options.mode == "l3s" else self.name) from error
            raise

    def reserve(
        self, network: Network, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        return ()

    def give_up(self, network: Network, ports: tuple[PublishedPort, ...]) -> None:
        return

    async def republish(self, network: Network, endpoint: Endpoint, ports: tuple[PublishedPort, ...]) -> Endpoint:
        return endpoint

    async def detach(self, network: Network, endpoint: Endpoint, sandbox: Path, *, alive: bool = False) -> None:
        self._states[network.id].endpoints.pop(endpoint.endpoint_id, None)
        await self._in_thread(_part, self.name, endpoint, sandbox)

    def release(self, network: Network, endpoint: Endpoint) -> None:
        self._states[network.id].addresses.give_back(*endpoint.addresses)

    async def settle(self) -> set[str]:
        return set()

    async def mend(self, network: Network) -> list[str]:
        # What stands on a parent that is gone is gone with it, and comes back with the container's next start.
        await self._in_thread(parents.make, network.interface, network.state.get(_MADE, ""))
        return []

    async def lost(self, network: Network, endpoint: Endpoint) -> bool:
        return False

    async def leave(self, network: Network) -> None:
        self._states.pop(network.id)

    async def close(self, network: Network) -> None:
        self._states.pop(network.id, None)
        shared = any(each.network.interface == network.interface for each in self._states.values())
        if network.state.get(_MADE) and not shared:
            await self._in_thread(parents.unmake, network.interface)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await to_end(self._executor, work, *arguments)


def _gateway(state: _State, version: int) -> str:
    """Where its containers send what is for elsewhere; nowhere without a parent of the user's."""
    if state.network.internal or not state.options.parent:
        return ""
    if state.options.routed:
        return _ON_LINK[version]
    return next((pool.gateway for pool in state.network.pools_of(version)), "")


def _join(
    kind: str, parent: str, options: ParentOptions, endpoint: Endpoint, sandbox: Path, default: Sequence[int]
) -> None:
    """Give the namespace at ``sandbox`` its interface on the parent, with addresses and default routes. Blocks."""
    fd = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Rtnetlink() as netlink:
            below = netlink.link(parent)
            if below is None:
                raise SystemFault(f"the parent interface {parent} is gone")
            if kind == "macvlan":
                request = sublinks.macvlan_add(endpoint.interface, below.index, fd, options.mode, endpoint.mac)
            else:
                request = sublinks.ipvlan_add(endpoint.interface, below.index, fd, options.mode, options.flag)
            netlink.execute(request)
    finally:
        os.close(fd)
    bridge_links.dress(endpoint, sandbox, default)


def _part(kind: str, endpoint: Endpoint, sandbox: Path) -> None:
    """Remove the interface, if its namespace and it are still there: a neighbour may get its addresses. Blocks."""
    if not sandboxes.alive(sandbox):
        return
    with namespaces.enter(sandbox, Rtnetlink) as netlink:
        link = netlink.link(endpoint.interface)
        if link is not None and link.kind == kind:
            netlink.execute(link_delete(endpoint.interface))
