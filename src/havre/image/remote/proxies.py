"""Which proxy a URL goes through, from HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go programs read them. Pure.

aiohttp could read these itself (``trust_env``), but would then also send whatever ``~/.netrc`` holds for a host, and it
does not know address ranges in NO_PROXY, which every guide to dockerd uses.
"""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's URL without credentials, and the ``Proxy-Authorization`` that those make ("" without any)."""

    url: str
    authorization: str = field(default="", repr=False)

    @property
    def usable(self) -> bool:
        """Whether it is an HTTP proxy: others (SOCKS) are not supported."""
        return self.url.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of an environment; ``no_proxy`` holds the entries of NO_PROXY in lower case."""

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Proxies":
        """Read the variables, in upper case first."""

        def variable(name: str) -> str:
            return (environ.get(name.upper()) or environ.get(name.lower()) or "").strip()

        entries = (entry.strip().lower() for entry in variable("no_proxy").split(","))
        return cls(_proxy(variable("http_proxy")), _proxy(variable("https_proxy")), tuple(filter(None, entries)))

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for ``scheme://host:port``, or None to connect directly (always so on the loopback)."""
        proxy = self.https if scheme == "https" else self.http
        if proxy is None or self._exempt(host.lower().rstrip("."), port):
            return None
        return proxy

    def _exempt(self, host: str, port: int) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(entry == "*" or _covers(entry, host, port, address) for entry in self.no_proxy)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _covers(entry: str, host: str, port: int, address: _Address | None) -> bool:
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and (":" not in name or name.startswith("[")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith("*."):
        entry = entry[1:]
    # ".example.com" stands for what is below it, "example.com" for that and itself.
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith("." + entry)


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _proxy(text: str) -> Proxy | None:
    if not text:
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    authorization = "Basic " + base64.b64encode(credentials).decode() if parts.username else ""
    return Proxy(f"{parts.scheme}://{host}{port}", authorization)
