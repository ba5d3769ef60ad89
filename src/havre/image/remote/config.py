"""Which endpoints serve a registry's name: mirrors, the registry itself, and plain HTTP where that is allowed."""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from havre.errors import InvalidParameter
from havre.lib.references import DEFAULT_DOMAIN

DEFAULT_REGISTRY = "registry-1.docker.io"
INDEX_HOST = "index.docker.io"

_LOOPBACK = ("127.0.0.0/8", "::1/128")
_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that speaks the distribution protocol: ``url`` has no trailing slash, ``verify`` checks certificates."""

    url: str
    verify: bool = True
    mirror: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


Place = tuple[Endpoint, ...]
"""One server, by the ways to speak to it: HTTPS first, and plain HTTP after it where that is allowed."""


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The daemon's settings for registries. Raises ``InvalidParameter``, in dockerd's words, for malformed ones.

    ``insecure`` holds hosts (``host:port``) and address ranges that may speak plain HTTP or have a certificate of an
    unknown authority; the loopback always may. ``mirrors`` are URLs tried before Docker Hub. ``certificates`` are
    directories with one directory a host, as in ``/etc/docker/certs.d``. ``downloads`` is the number of layers that one
    pull downloads at a time.
    """

    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    certificates: tuple[Path, ...] = (Path("/etc/docker/certs.d"),)
    downloads: int = 3

    def __post_init__(self) -> None:
        for entry in self.insecure:
            _check_insecure(entry)
        for mirror in self.mirrors:
            _check_mirror(mirror)
        if self.downloads < 1:
            raise InvalidParameter(f"invalid max concurrent downloads: {self.downloads}")

    async def places(self, domain: str, *, mirrors: bool = True) -> list[Place]:
        """Where to ask for images of ``domain`` (``docker.io``, ``127.0.0.1:5000``): mirrors, then the registry."""
        if domain in (DEFAULT_DOMAIN, INDEX_HOST, DEFAULT_REGISTRY):
            urls = dict.fromkeys(self.mirrors) if mirrors else ()
            return [*[(await self._mirror(url),) for url in urls], (Endpoint(f"https://{DEFAULT_REGISTRY}"),)]
        if await self.is_insecure(domain):
            return [(Endpoint(f"https://{domain}", verify=False), Endpoint(f"http://{domain}", verify=False))]
        return [(Endpoint(f"https://{domain}"),)]

    async def is_insecure(self, host: str) -> bool:
        """Whether ``host`` (``name``, ``name:port``) may do without TLS, by name or by one of its addresses."""
        named = {_without_scheme(entry).lower() for entry in self.insecure}
        if host.lower() in named:
            return True
        ranges = [ipaddress.ip_network(entry, strict=False) for entry in (*_LOOPBACK, *named) if _is_range(entry)]
        return any(address in network for address in await _addresses(_hostname(host)) for network in ranges)

    async def _mirror(self, url: str) -> Endpoint:
        return Endpoint(url.rstrip("/"), verify=not await self.is_insecure(urlsplit(url).netloc), mirror=True)


async def _addresses(hostname: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return [ipaddress.ip_address(hostname)]
    except ValueError:
        pass
    if hostname == "localhost":
        return [ipaddress.ip_address("127.0.0.1")]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # an unknown host matches no range; the connection to it will say what is wrong
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _without_scheme(entry: str) -> str:
    for scheme in ("http://", "https://"):
        if entry.lower().startswith(scheme):
            return entry[len(scheme) :].rstrip("/")
    return entry


def _is_range(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return "/" in entry


def _check_insecure(entry: str) -> None:
    host = _without_scheme(entry)
    if "://" in host:
        raise InvalidParameter(f"insecure registry {entry} should not contain '://'")
    if host.startswith("-") or host.endswith("-"):
        raise InvalidParameter(f"invalid index name ({entry}). Cannot begin or end with a hyphen")
    port = host.rpartition(":")[2] if _HOST.fullmatch(host) and ":" in host else "0"
    if not _is_range(host) and (_HOST.fullmatch(host) is None or (port.isdigit() and int(port) > 65535)):
        raise InvalidParameter(f'insecure registry {entry} is not valid: invalid host "{host}"')


def _check_mirror(mirror: str) -> None:
    scheme, separator, _ = mirror.partition("://")
    if not separator or not scheme:
        raise InvalidParameter(
            f"invalid mirror: no scheme specified for \"{mirror}\": must use either 'https://' or 'http://'"
        )
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https"):
        raise InvalidParameter(
            f'invalid mirror: unsupported scheme "{parts.scheme}" in "{mirror}": must use either '
            "'https://' or 'http://'"
        )
    if not parts.hostname:
        raise InvalidParameter(f'invalid mirror: "{mirror}" is not a valid URI')
    if parts.query or parts.fragment:
        raise InvalidParameter(f'invalid mirror: query or fragment at end of the URI "{mirror}"')
    if parts.username is not None:
        raise InvalidParameter(f'invalid mirror: username/password not allowed in URI "{scheme}://{parts.hostname}"')
