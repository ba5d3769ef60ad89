"""Which endpoints serve a registry's name: mirrors, the registry itself, and plain HTTP where that is allowed.

The daemon makes a ``RegistryConfig`` of its configuration; ``repository`` asks it where to go.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from havre.errors import InvalidParameter
from havre.image.remote.hoststoml import Hosts
from havre.image.remote.hoststoml import read as read_hosts
from havre.image.remote.trust import Trust
from havre.lib.references import DEFAULT_DOMAIN

DEFAULT_REGISTRY = "registry-1.docker.io"
INDEX_HOST = "index.docker.io"
HUB_NAMES = (DEFAULT_DOMAIN, INDEX_HOST, DEFAULT_REGISTRY)

_LOOPBACK = ("127.0.0.0/8", "::1/128")
_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that speaks the distribution protocol: ``url`` has no trailing slash, ``verify`` checks certificates.

    ``namespace`` is the registry a mirror stands for, to be told to mirrors of several (containerd's ``ns``).
    """

    url: str
    verify: bool = True
    mirror: bool = False
    namespace: str = ""
    trust: Trust = field(default_factory=Trust)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


Place = tuple[Endpoint, ...]
"""One server, by the ways to speak to it: HTTPS first, and plain HTTP after it where that is allowed."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What daemon.json says of one registry (``registries``): mirrors asked before it, in order; whether it may do
    without valid TLS; files with its authority and with our certificate and key for it.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""

    @property
    def trust(self) -> Trust:
        return Trust(None, self.ca, self.cert, self.key)


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The daemon's settings for registries. Raises ``InvalidParameter``, in dockerd's words, for malformed ones.

    ``insecure`` holds hosts (``host:port``) and address ranges that may speak plain HTTP or have a certificate of an
    unknown authority; the loopback always may. ``mirrors`` are URLs tried before Docker Hub, and before those that
    ``hosts`` names for it. ``certificates`` are directories with one directory a host, as in ``/etc/docker/certs.d``.
    ``downloads`` is the number of layers that one pull downloads at a time.
    """

    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    certificates: tuple[Path, ...] = (Path("/etc/docker/certs.d"),)
    downloads: int = 3
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.insecure:
            _check_insecure(entry)
        for mirror in self.mirrors:
            _check_mirror(mirror)
        for host, settings in self.hosts.items():
            _check_host(host, settings)
        if self.downloads < 1:
            raise InvalidParameter(f"invalid max concurrent downloads: {self.downloads}")

    async def places(self, domain: str, *, mirrors: bool = True) -> list[Place]:
        """Where to ask for images of ``domain`` (``docker.io``, ``127.0.0.1:5000``): mirrors, then the registry."""
        found: dict[str, Place] = {}
        name = DEFAULT_DOMAIN if domain in HUB_NAMES else domain
        listed = self._listed(name)
        if mirrors:
            for url in self.all_mirrors(name):
                namespace = "" if url in self.mirrors else name
                found.setdefault(url.rstrip("/"), (await self._mirror(url, namespace),))
            for host in listed.mirrors:
                found.setdefault(host.url, (Endpoint(host.url, host.verify, True, name, host.trust),))
        if listed.server is not None:
            server = listed.server
            return [*found.values(), (Endpoint(server.url, server.verify, trust=server.trust or self.trust(name)),)]
        return [*found.values(), await self._registry(name)]

    def all_mirrors(self, name: str) -> tuple[str, ...]:
        """The mirrors of a registry, in the order in which they are asked."""
        hub = self.mirrors if name == DEFAULT_DOMAIN else ()
        return (*hub, *self._host(name).mirrors)

    async def is_insecure(self, host: str) -> bool:
        """Whether ``host`` (``name``, ``name:port``) may do without TLS, by name or by all its addresses:
        whoever can add an answer of the name server's could else have TLS switched off for any registry."""
        named = {_without_scheme(entry).lower() for entry in self.insecure}
        if host.lower() in named or self._host(host).insecure:
            return True
        ranges = [ipaddress.ip_network(entry, strict=False) for entry in (*_LOOPBACK, *named) if _is_range(entry)]
        addresses = await _addresses(_hostname(host))
        return bool(addresses) and all(any(address in network for network in ranges) for address in addresses)

    def trust(self, host: str) -> Trust:
        """The files for connections to ``host``: those of its settings and of its directory."""
        settings = self._host(host)
        return Trust(self._directory(host), settings.ca, settings.cert, settings.key)

    def beside(self, url: str, endpoint: Endpoint) -> Endpoint:
        """The server at ``url`` that ``endpoint`` refers to: with files of its own, or else with those of
        ``endpoint``.
        """
        trust = self.trust(urlsplit(url).netloc) or endpoint.trust
        return Endpoint(url, verify=endpoint.verify, trust=trust)

    async def _registry(self, name: str) -> Place:
        if name == DEFAULT_DOMAIN:
            trust = self.trust(DEFAULT_REGISTRY) or self._host(name).trust
            return (Endpoint(f"https://{DEFAULT_REGISTRY}", trust=trust),)
        trust = self.trust(name)
        if await self.is_insecure(name):
            schemes = ("https", "http")
            return tuple(Endpoint(f"{scheme}://{name}", verify=False, trust=trust) for scheme in schemes)
        return (Endpoint(f"https://{name}", trust=trust),)

    async def _mirror(self, url: str, namespace: str) -> Endpoint:
        host = urlsplit(url).netloc
        verify = not await self.is_insecure(host)
        return Endpoint(url.rstrip("/"), verify, mirror=True, namespace=namespace, trust=self.trust(host))

    def _directory(self, host: str) -> Path | None:
        return next((each / host for each in self.certificates if (each / host).is_dir()), None)

    def _listed(self, name: str) -> Hosts:
        directory = self._directory(name)
        return read_hosts(directory) if directory else Hosts()

    def _host(self, name: str) -> HostSettings:
        return self.hosts.get(name.lower(), _NO_SETTINGS)


_NO_SETTINGS = HostSettings()


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


def _check_host(host: str, settings: HostSettings) -> None:
    if _HOST.fullmatch(host) is None or host != host.lower():
        raise InvalidParameter(
            f"registries: {host}: not a registry's name: host or host:port, in lower case, is wanted"
        )
    if host in HUB_NAMES and host != DEFAULT_DOMAIN:
        raise InvalidParameter(f"registries: {host}: Docker Hub is called {DEFAULT_DOMAIN} here")
    if host == DEFAULT_DOMAIN and settings.insecure:
        raise InvalidParameter(f"registries: {host}: Docker Hub cannot be insecure")
    if bool(settings.cert) != bool(settings.key):
        raise InvalidParameter(f"registries: {host}: cert and key belong together")
    for mirror in settings.mirrors:
        _check_mirror(mirror)
