"""HTTP from the client itself to a registry: TLS, proxies, redirects, failures in the words of docker."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from havre import __version__
from havre.errors import SystemFault
from havre.lib import tlswords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CERTIFICATES = "/etc/docker/certs.d"
_SECONDS = 60
_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)


class Unreachable(SystemFault):
    """No answer came: the server is not there, or not to be believed."""


class Answer:
    """A whole answer: ``body`` is at most as long as was allowed."""

    def __init__(self, status: int, headers: HTTPMessage, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""


def ask(
    method: str, url: str, verify: bool, limit: int, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request and its answer of at most ``limit`` bytes, redirects of GET and HEAD followed.

    ``Authorization`` never goes to another origin than that of ``url``. Raises Unreachable.
    """
    sent = {"User-Agent": f"havre/{__version__}", **(headers or {})}
    for _ in range(_MOST_REDIRECTS + 1):
        answer = _once(method, url, verify, limit, sent, body)
        if answer.status not in _REDIRECTS or method not in ("GET", "HEAD"):
            return answer
        following = urljoin(url, answer.header("Location"))
        if urlsplit(following)[:2] != urlsplit(url)[:2]:
            sent.pop("Authorization", None)
        url = following
    raise Unreachable(f'{method.title()} "{_shown(url)}": stopped after {_MOST_REDIRECTS} redirects')


def _once(method: str, url: str, verify: bool, limit: int, headers: Mapping[str, str], body: bytes | None) -> Answer:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreachable(f'{method.title()} "{_shown(url)}": invalid address')
    connection = None
    try:
        connection, target = _connection(url, verify)
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        data = response.read(limit + 1)
        if len(data) > limit:
            raise Unreachable(f"the answer of {parts.netloc} is larger than {limit} bytes")
        return Answer(response.status, response.headers, data)
    except (OSError, HTTPException) as error:
        raise Unreachable(f'{method.title()} "{_shown(url)}": {_reason(error, url)}') from error
    finally:
        if connection is not None:
            connection.close()


def _connection(url: str, verify: bool) -> tuple[HTTPConnection, str]:
    """A connection, by a proxy where the environment names one, and what to ask for on it."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    target = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
    proxy = "" if proxy_bypass(host) or host == "localhost" else getproxies().get(parts.scheme, "")
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
    near = (via.hostname or "", via.port or 80) if via else (host, port)
    if parts.scheme == "http":
        return HTTPConnection(*near, timeout=_SECONDS), (url if via else target)
    secure = HTTPSConnection(*near, timeout=_SECONDS, context=_context(parts.netloc, verify))
    if via:
        secure.set_tunnel(host, port)
    return secure, target


def _context(host: str, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    folder = os.path.join(CERTIFICATES, host)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path, ending = os.path.join(folder, name), name.rpartition(".")[2]
        if ending == "crt":
            context.load_verify_locations(path)
        elif ending == "cert":
            context.load_cert_chain(path, path.removesuffix("cert") + "key")
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _shown(url: str) -> str:
    return urlsplit(url)._replace(query="").geturl()


def _reason(error: Exception, url: str) -> str:
    from socket import gaierror

    host = urlsplit(url).hostname or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return tlswords.certificate_reason(error, host)
    if isinstance(error, ssl.SSLError):
        if tlswords.plain_http(error):
            return tlswords.PLAIN_HTTP
        return tlswords.alert(error) or f"tls: {error.reason or error}"
    if isinstance(error, gaierror):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {urlsplit(url).netloc}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "EOF").lower()
    return "EOF"
