"""Docker's verbs for networks: what the REST door calls. Networks of a user's own are not there yet.

Answers are JSON-able dicts in the newest API's shape.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

from havre.errors import Forbidden, InvalidParameter, Unsupported
from havre.lib.times import rfc3339nano
from havre.network.model import Endpoint, Network
from havre.network.networks import PREDEFINED, Networks
from havre.wire.filters import Filters

_LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
_PRUNE_FILTERS = ("label", "label!", "until")


class NetworkVerbs:
    """list, inspect, prune; the rest is refused. ``container_name`` gives the name of a container id ("" if gone)."""

    def __init__(self, networks: Networks, container_name: Callable[[str], str]) -> None:
        self._networks = networks
        self._container_name = container_name

    def list(self, filters: Filters) -> list[dict[str, Any]]:
        """``GET /networks``; as in Docker, without the containers on them."""
        filters.validate(_LIST_FILTERS)
        kinds = filters.values_of("type")
        for kind in kinds:
            if kind not in ("builtin", "custom"):
                raise InvalidParameter(f"invalid filter: 'type'='{kind}'")
        dangling = filters.flag("dangling") if "dangling" in filters else None
        return [
            self._document(network, [])
            for network in self._networks.all()
            if filters.matches("name", network.name)
            and filters.matches("id", network.id)
            and filters.exact("driver", network.driver)
            and filters.exact("scope", "local")
            and filters.match_labels({})
            and (not kinds or "builtin" in kinds)
            # Docker never counts its own networks as dangling.
            and dangling is not True
        ]

    def inspect(self, reference: str, scope: str = "") -> dict[str, Any]:
        """``GET /networks/{id}``."""
        if scope not in ("", "local"):
            raise InvalidParameter(f"network {reference} is of scope local, not {scope}")
        network = self._networks.get(reference)
        endpoints = self._networks.endpoints_on(network.id)
        return {**self._document(network, endpoints), **_status(network, len(endpoints))}

    def prune(self, filters: Filters) -> dict[str, Any]:
        """``POST /networks/prune``: Docker's own networks always stay, and there are no others yet."""
        filters.validate(_PRUNE_FILTERS)
        return {"NetworksDeleted": None}

    def create(self, name: str) -> dict[str, Any]:
        """``POST /networks/create``."""
        if name in PREDEFINED:
            raise Forbidden(f"operation is not permitted on predefined {name} network ")
        raise Unsupported("creating networks is not supported yet")

    def remove(self, reference: str) -> None:
        """``DELETE /networks/{id}``."""
        network = self._networks.get(reference)
        if network.name in PREDEFINED:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        raise Unsupported("removing networks is not supported yet")

    def connect(self, reference: str) -> None:
        """``POST /networks/{id}/connect``."""
        self._networks.get(reference)
        raise Unsupported("connecting a container to a further network is not supported yet")

    def disconnect(self, reference: str) -> None:
        """``POST /networks/{id}/disconnect``."""
        self._networks.get(reference)
        raise Unsupported("disconnecting a container from its network is not supported yet")

    def _document(self, network: Network, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
        config = [{"Subnet": network.subnet, "Gateway": network.gateway}] if network.subnet else None
        return {
            "Name": network.name,
            "Id": network.id,
            "Created": rfc3339nano(network.created_ns),
            "Scope": "local",
            "Driver": network.driver,
            "EnableIPv4": True,
            "EnableIPv6": False,
            "IPAM": {"Driver": "default", "Options": None, "Config": config},
            "Internal": False,
            "Attachable": False,
            "Ingress": False,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Containers": {endpoint.container_id: self._resident(endpoint) for endpoint in endpoints},
            "Options": self._options(network),
            "Labels": {},
        }

    def _resident(self, endpoint: Endpoint) -> dict[str, str]:
        return {
            "Name": self._container_name(endpoint.container_id),
            "EndpointID": endpoint.endpoint_id,
            "MacAddress": endpoint.mac,
            "IPv4Address": f"{endpoint.ip_address}/{endpoint.prefix_len}" if endpoint.ip_address else "",
            "IPv6Address": "",
        }

    def _options(self, network: Network) -> dict[str, str]:
        if network.driver != "bridge":
            return {}
        settings = self._networks.settings
        return {
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": str(settings.icc).lower(),
            "com.docker.network.bridge.enable_ip_masquerade": str(settings.firewall).lower(),
            "com.docker.network.bridge.host_binding_ipv4": settings.host_ip,
            "com.docker.network.bridge.name": network.interface,
            "com.docker.network.driver.mtu": str(settings.mtu),
        }


def _status(network: Network, endpoints: int) -> dict[str, Any]:
    """How full the network is; its own address, its gateway's and the broadcast's are in use by nature."""
    if not network.subnet:
        return {}
    used = endpoints + 3
    free = ip_network(network.subnet).num_addresses - used
    return {"Status": {"IPAM": {"Subnets": {network.subnet: {"IPsInUse": used, "DynamicIPsAvailable": free}}}}}
