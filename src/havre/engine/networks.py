"""Docker's verbs for networks: what the REST door calls.

Answers are JSON-able dicts in the newest API's shape.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from havre.engine import networkrequest
from havre.engine.container.connect import Connector
from havre.engine.container.create import EventSink
from havre.engine.container.select import prune_until
from havre.errors import Forbidden, HavreError, InvalidParameter, NotFound
from havre.lib.times import rfc3339nano
from havre.network.model import Endpoint, Network, Pool
from havre.network.networks import Networks
from havre.wire.containers import EndpointSettings
from havre.wire.filters import Filters
from havre.wire.networks import NetworkCreate

Documents = list[dict[str, Any]]
_LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
_PRUNE_FILTERS = ("label", "label!", "until")


class NetworkVerbs:
    """create, list, inspect, remove, prune, connect, disconnect.

    ``container_name`` gives the name of a container id ("" if gone), ``defaults`` the options of networks that do not
    set them, by driver.
    """

    def __init__(
        self,
        networks: Networks,
        container_name: Callable[[str], str],
        connector: Connector,
        events: EventSink,
        defaults: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._networks = networks
        self._container_name = container_name
        self._connector = connector
        self._events = events
        self._defaults = defaults or {}

    def list(self, filters: Filters) -> list[dict[str, Any]]:
        """``GET /networks``; as in Docker, without the containers on them."""
        filters.validate(_LIST_FILTERS)
        kinds = filters.values_of("type")
        for kind in kinds:
            if kind not in ("builtin", "custom"):
                raise InvalidParameter(f"invalid filter: 'type'='{kind}'")
        dangling = _flag(filters, "dangling")
        return [
            self._document(network, [])
            for network in self._networks.all()
            if filters.matches("name", network.name)
            and filters.matches("id", network.id)
            and filters.exact("driver", network.driver)
            and filters.exact("scope", "local")
            and filters.match_labels(network.labels)
            and (not kinds or ("builtin" if network.predefined else "custom") in kinds)
            and (dangling is None or self._dangling(network) == dangling)
        ]

    def _dangling(self, network: Network) -> bool:
        # Docker never counts its own networks as dangling.
        return not network.predefined and not self._networks.endpoints_on(network.id)

    def inspect(self, reference: str, scope: str = "", verbose: bool = False) -> dict[str, Any]:
        """``GET /networks/{id}``; ``verbose`` tells of the services of a swarm, and there is none."""
        if scope not in ("", "local"):
            raise NotFound(f"network {reference} not found")
        network = self._networks.get(reference)
        endpoints = self._networks.endpoints_on(network.id)
        return {**self._document(network, endpoints), **_status(network, endpoints)}

    async def prune(self, filters: Filters) -> dict[str, Any]:
        """``POST /networks/prune``: networks of the user's that no running container is on."""
        filters.validate(_PRUNE_FILTERS)
        until = prune_until(filters)
        chosen = [
            network
            for network in self._networks.all()
            if self._dangling(network)
            and not network.config_only
            and (until is None or network.created_ns <= until)
            and filters.match_labels(network.labels)
            and not filters.refuses_labels(network.labels)
        ]
        # Side by side: what they change in nftables is done in a few transactions then.
        outcomes = await asyncio.gather(*(self._remove(network) for network in chosen), return_exceptions=True)
        deleted = [network.name for network, outcome in zip(chosen, outcomes, strict=True) if outcome is None]
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, HavreError):
                raise outcome
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return {"NetworksDeleted": deleted or None}

    async def create(self, body: NetworkCreate) -> dict[str, Any]:
        """``POST /networks/create``."""
        network = await self._networks.create(networkrequest.network(body, self._defaults))
        self._events.publish("network", "create", network.id, {"name": network.name, "type": network.driver})
        return {"Id": network.id, "Warning": ""}

    async def remove(self, reference: str) -> None:
        """``DELETE /networks/{id}``."""
        network = self._networks.get(reference)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        if endpoints := self._networks.endpoints_on(network.id):
            told = ", ".join(
                f'name:"{self._container_name(endpoint.container_id)}" id:"{endpoint.endpoint_id[:12]}"'
                for endpoint in endpoints
            )
            raise Forbidden(f"error while removing network: network {network.name} has active endpoints ({told})")
        try:
            await self._remove(network)
        except Forbidden as error:
            raise Forbidden(f"error while removing network: {error.message}") from None

    async def _remove(self, network: Network) -> None:
        await self._networks.remove(network)
        self._events.publish("network", "destroy", network.id, {"name": network.name, "type": network.driver})

    async def repair(self) -> Documents:
        """``POST /havre/networks/repair``: every network of which something was, or could not be, made anew."""
        return [
            {
                "Network": each.network.name,
                "Mended": list(each.mended),
                "Containers": [self._container_name(one) for one in each.containers],
                "Problem": each.problem,
            }
            for each in await self._networks.repairs.run()
        ]

    async def connect(self, reference: str, container: str, settings: EndpointSettings | None) -> None:
        """``POST /networks/{id}/connect``."""
        await self._connector.connect(reference, container, settings or EndpointSettings())

    async def disconnect(self, reference: str, container: str, force: bool) -> None:
        """``POST /networks/{id}/disconnect``."""
        await self._connector.disconnect(reference, container, force)

    def _document(self, network: Network, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
        return {
            "Name": network.name,
            "Id": network.id,
            "Created": rfc3339nano(network.created_ns),
            "Scope": "local",
            "Driver": network.driver,
            "EnableIPv4": network.ipv4,
            "EnableIPv6": network.ipv6,
            "IPAM": {
                "Driver": network.ipam_driver,
                "Options": network.ipam_options,
                "Config": [_subnet(pool) for pool in network.pools] or None,
            },
            "Internal": network.internal,
            "Attachable": network.attachable,
            "Ingress": False,
            "ConfigFrom": {"Network": network.config_from},
            "ConfigOnly": network.config_only,
            "Containers": {endpoint.container_id: self._resident(endpoint) for endpoint in endpoints},
            "Options": self._options(network),
            "Labels": network.labels,
        }

    def _resident(self, endpoint: Endpoint) -> dict[str, str]:
        six = f"{endpoint.ipv6_address}/{endpoint.ipv6_prefix_len}" if endpoint.ipv6_address else ""
        return {
            "Name": self._container_name(endpoint.container_id),
            "EndpointID": endpoint.endpoint_id,
            "MacAddress": endpoint.mac,
            "IPv4Address": f"{endpoint.ip_address}/{endpoint.prefix_len}" if endpoint.ip_address else "",
            "IPv6Address": six,
        }

    def _options(self, network: Network) -> dict[str, str]:
        if not network.predefined or network.driver != "bridge":
            return network.options
        settings = self._networks.settings
        return {
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": str(settings.icc).lower(),
            "com.docker.network.bridge.enable_ip_masquerade": str(settings.firewall).lower(),
            "com.docker.network.bridge.host_binding_ipv4": settings.host_ip,
            "com.docker.network.bridge.name": network.interface,
            "com.docker.network.driver.mtu": str(settings.mtu),
        }


def _flag(filters: Filters, name: str) -> bool | None:
    """A boolean filter in Docker's words for networks; None if it was not given."""
    values = filters.values_of(name)
    if len(values) > 1:
        raise InvalidParameter(f'got more than one value for filter key "{name}"')
    if values and values[0] not in ("true", "1", "false", "0"):
        raise InvalidParameter(f'invalid value for filter \'{name}\', must be "true" (or "1"), or "false" (or "0")')
    return filters.flag(name) if values else None


def _subnet(pool: Pool) -> dict[str, Any]:
    """As Docker shows it: what was asked for, or what was chosen in its place."""
    document: dict[str, Any] = {"Subnet": pool.subnet}
    if pool.ip_range:
        document["IPRange"] = pool.ip_range
    if pool.gateway and (pool.gateway_asked or not pool.asked):
        document["Gateway"] = pool.gateway
    if pool.aux:
        document["AuxiliaryAddresses"] = pool.aux
    return document


def _status(network: Network, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """How full the network is; its own address, its gateway's, reserved ones and the broadcast's are always in use."""
    if not network.pools or network.config_only:
        return {}
    residents = list(endpoints)
    subnets = {}
    for pool in network.pools:
        there = sum(1 for each in residents if (each.ip_address if pool.version == 4 else each.ipv6_address))
        used = there + len(pool.aux) + (1 if pool.gateway else 0) + (2 if pool.version == 4 else 1)
        free = max(0, ip_network(pool.ip_range or pool.subnet).num_addresses - used)
        subnets[pool.subnet] = {"IPsInUse": used, "DynamicIPsAvailable": min(free, 2**64 - 1)}
    return {"Status": {"IPAM": {"Subnets": subnets}}}
