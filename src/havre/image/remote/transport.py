"""HTTP to registries: TLS settings by host, proxies, redirects without credentials, failures as ``RemoteFailure``."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

import havre
from havre.errors import InvalidParameter
from havre.image.remote.config import Endpoint
from havre.image.remote.failures import RemoteFailure, from_response
from havre.image.remote.proxies import Proxies
from havre.image.remote.trust import Contexts
from havre.lib import tlswords
from havre.lib.challenges import parse_challenges

CHUNK = 1 << 20
"""Bytes aiohttp may hold for a reader that is busy writing to disk."""

Body = Mapping[str, str] | bytes | AsyncIterable[bytes]
"""What a request sends: a form, or bytes (those that come piece by piece want a ``Content-Length``)."""

LARGEST_ERROR = 64 << 10
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONNECT_SECONDS, _SILENCE_SECONDS, _SMALL_SECONDS = 30, 60, 300


def open_session() -> aiohttp.ClientSession:
    """A session as this room needs it: bodies as they come, no cookies, patience with length but not with silence."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS),
        read_bufsize=CHUNK,
        max_line_size=32 << 10,
        max_field_size=32 << 10,
        headers={"User-Agent": f"havre/{havre.__version__}", "Accept-Encoding": "identity"},
    )


class Transport:
    """Sends requests. The session is the caller's, who closes it."""

    def __init__(self, session: aiohttp.ClientSession, proxies: Proxies | None = None) -> None:
        self._session = session
        self._proxies = proxies or Proxies()
        self._contexts = Contexts()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str | URL,
        endpoint: Endpoint,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, whatever its status but a redirect: those are followed, for GET and HEAD.

        ``endpoint`` gives the TLS settings, also for where it redirects to. ``Authorization`` never goes to another
        origin than that of ``url``. Raises ``RemoteFailure`` when there is no answer, or none to believe.
        """
        target = (URL(url) if isinstance(url, str) else url).update_query(query or {})
        sent = dict(headers or {})
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._send(method, target, endpoint, sent, body)
            try:
                if response.status not in _REDIRECTS or method not in ("GET", "HEAD"):
                    with _explained(method, target):
                        yield response
                    return
                following = _location(response, target)
            finally:
                response.release()
            if following.origin() != target.origin():
                sent.pop("Authorization", None)
            target = following
        raise RemoteFailure(f'{method.title()} "{url}": stopped after {_MOST_REDIRECTS} redirects')

    async def _send(
        self, method: str, url: URL, endpoint: Endpoint, headers: dict[str, str], body: Body | None
    ) -> aiohttp.ClientResponse:
        if url.user is not None:
            # A registry may send us elsewhere, but not as somebody it chooses.
            raise RemoteFailure(f"there are credentials in an address at {url.host}: refused")
        proxy = self._proxies.choose(url.scheme, url.host or "", url.port or 0)
        if proxy and not proxy.usable:
            raise RemoteFailure(f"cannot use the proxy {proxy.url}: only HTTP proxies are supported")
        login = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        with _explained(method, url):
            return await self._session.request(
                method,
                url,
                # A tunnel is asked for with the proxy's own headers; a plain request is the proxy's to read.
                headers=headers if url.scheme == "https" else {**headers, **login},
                data=body,
                allow_redirects=False,
                ssl=self._tls(endpoint),
                proxy=proxy.url if proxy else None,
                proxy_headers=login,
            )

    def _tls(self, endpoint: Endpoint) -> ssl.SSLContext | bool:
        try:
            return self._contexts.of(endpoint.trust, endpoint.verify)
        except InvalidParameter as error:
            raise RemoteFailure(error.message) from None


async def failure_of(response: aiohttp.ClientResponse) -> RemoteFailure:
    """What an answer with an error status means."""
    body = await read_limited(response, LARGEST_ERROR, "error message", cut=True)
    challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
    return from_response(response.status, body, challenges, _retry_after(response))


async def read_limited(response: aiohttp.ClientResponse, limit: int, what: str, *, cut: bool = False) -> bytes:
    """The whole body, if it has no more than ``limit`` bytes; of a longer one the beginning, if ``cut``."""
    body = bytearray()
    # Bytes that trickle in would never count as silence.
    async with asyncio.timeout(_SMALL_SECONDS):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                if cut:
                    return bytes(body[:limit])
                raise RemoteFailure(f"{what} of {response.url.host} is larger than {limit} bytes")
    return bytes(body)


def _location(response: aiohttp.ClientResponse, asked: URL) -> URL:
    location = response.headers.get("Location", "")
    try:
        # Signed URLs break when they are quoted anew.
        target = asked.join(URL(location, encoded=True))
        if location and target.scheme in ("http", "https") and target.host:
            return target
    except ValueError:
        pass
    raise RemoteFailure(f'{asked.host} redirects to "{location[:200]}", which is no address')


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds, or a date: that counts from the registry's own clock, which need not agree with ours."""
    value = response.headers.get("Retry-After", "")
    if response.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) or not value:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        pause = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, pause.total_seconds())


class _explained:
    """Turns what aiohttp raises into ``RemoteFailure``, in the words Go's HTTP client has for it."""

    def __init__(self, method: str, url: URL) -> None:
        self._what = f'{method.title()} "{url.with_query(None)}"'
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (aiohttp.ClientError, TimeoutError, ConnectionError)):
            reason, transient = _reason(error, self._url)
            cut = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError)
            cut = cut or getattr(error, "errno", None) == errno.ECONNRESET
            raise RemoteFailure(f"{self._what}: {reason}", transient=transient, cut=cut) from error


def _reason(error: Exception, url: URL) -> tuple[str, bool]:
    address = f"{url.host}:{url.port}"
    if isinstance(error, OSError) and (said := tlswords.alert(error)):
        return said, False
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return tlswords.certificate_reason(error.certificate_error, url.host or ""), False
        case aiohttp.ClientConnectorDNSError():
            return f"dial tcp: lookup {url.host}: no such host", True
        case aiohttp.ClientProxyConnectionError():
            return f"proxyconnect tcp: dial tcp {error.host}:{error.port}: {_system_reason(error)}", True
        case aiohttp.ClientSSLError():
            if tlswords.plain_http(error):
                return tlswords.PLAIN_HTTP, False
            return f"tls: {error.os_error}", False
        case aiohttp.ClientConnectorError():
            return f"dial tcp {address}: {_system_reason(error)}", True
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status} {error.message}", error.status >= 500
        case aiohttp.ServerDisconnectedError():
            return "EOF", True
        case aiohttp.ClientPayloadError():
            return "unexpected EOF", True
        case asyncio.TimeoutError():
            return "i/o timeout", True
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return "invalid address", False
        case OSError():
            return f"read tcp {address}: {_system_reason(error)}", True
    return str(error) or type(error).__name__, True


def _system_reason(error: OSError) -> str:
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return "connect: connection refused"
    return (cause.strerror or str(cause)).lower()
