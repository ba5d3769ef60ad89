"""``havre network why``: for a published port, which container it leads to, by which rule, and who can reach it."""

import asyncio
from collections.abc import Callable
from typing import Any

from havre.engine.container.network import parse_port
from havre.errors import NotFound
from havre.kernel.nftables import Nftables
from havre.network import reasons
from havre.network.firewall import table_of
from havre.network.networks import Networks
from havre.network.obstacles import Chain, obstacles, refusals


class PortReasons:
    """``container_name`` gives the name of a container id; ``look`` the chains of others that by default drop what is
    forwarded, and those that drop what comes to the host.
    """

    def __init__(
        self,
        networks: Networks,
        container_name: Callable[[str], str],
        look: Callable[[], tuple[list[Chain], list[Chain]]] | None = None,
    ) -> None:
        self._networks = networks
        self._container_name = container_name
        self._look = look or _look

    async def why(self, text: str) -> list[dict[str, Any]]:
        """``GET /havre/ports/{port}``: ``8080`` is of every protocol, ``8080/udp`` of one."""
        number, proto = parse_port(text)
        found = [
            (network, endpoint, port)
            for network in self._networks.all()
            for endpoint in self._networks.endpoints_on(network.id)
            for port in endpoint.ports
            if (port.host_port or port.container_port) == number and ("/" not in text or port.proto == proto)
        ]
        if not found:
            raise NotFound(f"no running container publishes port {text}")
        settings = self._networks.settings
        table = table_of(self._networks.get("bridge").interface)
        dropping, refusing = await asyncio.to_thread(self._look) if settings.firewall else ([], [])
        return [
            {
                "HostIp": port.host_ip,
                "HostPort": port.host_port,
                "Protocol": port.proto,
                "Container": endpoint.container_id,
                "ContainerName": self._container_name(endpoint.container_id),
                "Network": network.name,
                "Target": reasons.target(endpoint, port),
                "Rule": reasons.rule(table, endpoint, port),
                "Reach": reasons.reach(port, settings, dropping, refusing),
            }
            for network, endpoint, port in found
        ]


def _look() -> tuple[list[Chain], list[Chain]]:
    nft = Nftables()
    return obstacles(nft), refusals(nft)
