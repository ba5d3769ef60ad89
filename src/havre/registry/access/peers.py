"""Where a request comes from, also through proxies one trusts, and what the registry is called at that end."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.web_request import BaseRequest

from havre.errors import InvalidParameter

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Peers:
    """``proxies`` are believed what they say of those behind them; ``public_url`` is what the registry is called, ""
    to go by what clients call it.
    """

    proxies: tuple[Network, ...] = ()
    public_url: str = ""

    def address(self, request: BaseRequest) -> str:
        """The address of the client: the nearest one that is no trusted proxy. "" on sockets without addresses."""
        peer = _plain(request.remote or "")
        if not self.proxies or not self._is_proxy(peer):
            return peer
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for hop in reversed([hop.strip() for hop in hops]):
            if not _is_address(hop):
                break
            peer = _plain(hop)
            if not self._is_proxy(peer):
                break
        return peer

    def base_url(self, request: BaseRequest) -> str:
        """``https://registry.example:5000``: how this client reaches the registry."""
        if self.public_url:
            return self.public_url
        secure = request.secure
        if self.proxies and self._is_proxy(request.remote or ""):
            secure = request.headers.get("X-Forwarded-Proto", "https" if secure else "http").lower() == "https"
        # What a client calls it goes into headers: nothing but a host may.
        host = request.headers.get("Host", "")
        return f"{'https' if secure else 'http'}://{host if _HOST.fullmatch(host) else 'localhost'}"

    def _is_proxy(self, address: str) -> bool:
        address = _plain(address)
        return _is_address(address) and any(ipaddress.ip_address(address) in network for network in self.proxies)


def budget_key(address: str) -> str:
    """Whom an address stands for when requests are counted: of IPv6, the /64 that one customer has."""
    if ":" not in address or not _is_address(address):
        return address
    number = int(ipaddress.IPv6Address(address.partition("%")[0]))
    return str(ipaddress.IPv6Address(number >> 64 << 64))


def parse_proxies(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks. InvalidParameter for what is none."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise InvalidParameter(f"invalid trusted proxy: {error}") from error


def _plain(address: str) -> str:
    """``address``, of IPv4 also where a socket or a proxy that speaks IPv6 writes it as ``::ffff:192.0.2.1``."""
    mapped = ipaddress.IPv6Address(address).ipv4_mapped if ":" in address and _is_address(address) else None
    return str(mapped) if mapped is not None else address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
