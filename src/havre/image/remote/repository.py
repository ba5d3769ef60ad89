"""The distribution protocol, reading side: one repository at one endpoint, and how an endpoint is found to work.

Protocol: https://github.com/opencontainers/distribution-spec; credentials: distribution's token and basic schemes.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
import msgspec
from yarl import URL

from havre.image import manifest as manifests
from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint, Place, RegistryConfig
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.retry import RetryPolicy, persistently
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Body, Transport, failure_of, read_limited
from havre.lib.challenges import Challenge, parse_challenges

log = logging.getLogger(__name__)

ACCEPT = ", ".join(sorted(manifests.MANIFESTS | manifests.INDEXES)) + ", application/json;q=0.5"
LARGEST_TAGS_PAGE = 8 << 20
MOST_TAGS = 100_000
MOST_PAGES = 1_000
_PING_SECONDS = 15


class BlobSource(Protocol):
    """Something blobs can be read from: a repository at an endpoint, to be asked again as ``policy`` says."""

    policy: RetryPolicy

    def blob(self, digest: str, offset: int = 0) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Open a blob from byte ``offset``: status 206, or 200 with the whole blob from a server without ranges."""
        ...


class Repository:
    """One repository (``library/busybox``) at one endpoint, read with one set of credentials.

    ``scopes`` is what a token server is asked for: the right to read this repository.
    """

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        policy: RetryPolicy,
        endpoint: Endpoint,
        challenges: tuple[Challenge, ...],
        path: str,
        auth: Auth | None,
    ) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._tokens = tokens
        self.policy = policy.hurried() if endpoint.mirror else policy
        self._challenges = challenges
        self._path = path
        self.scopes: tuple[str, ...] = (f"repository:{path}:pull",)
        # What a user has for the registry is none of a mirror's business.
        self._auth = auth if auth is not None and not endpoint.mirror else Auth()

    async def manifest(self, tag_or_digest: str) -> tuple[bytes, str]:
        """A manifest or index, byte for byte, with its media type; what was asked by digest has that digest."""
        return await persistently(self.policy, lambda: self._manifest(tag_or_digest))

    async def digest_of(self, tag: str) -> str | None:
        """The digest ``tag`` stands for now, by a request that registries do not count as a pull.

        None when it cannot be had so: asking for the manifest will tell why.
        """
        try:
            async with self._get(self._url(f"manifests/{tag}"), {"Accept": ACCEPT}, method="HEAD") as response:
                return response.headers.get("Docker-Content-Digest")
        except RemoteFailure as failure:
            log.debug("no digest of %s:%s: %s", self._path, tag, failure)
            return None

    async def content(self, digest: str, limit: int) -> bytes:
        """A small blob of at most ``limit`` bytes, as sent: the caller verifies it when storing it."""
        return await persistently(self.policy, lambda: self._content(digest, limit))

    async def tags(self) -> list[str]:
        """All tags, through all pages."""
        found: list[str] = []
        url: str | None = self._url("tags/list?n=1000")
        seen: set[str] = set()
        while url is not None and url not in seen and len(found) < MOST_TAGS and len(seen) < MOST_PAGES:
            seen.add(url)
            page, url = await persistently(self.policy, lambda url=url: self._tags_page(url))  # type: ignore[misc]
            found += page
        return found

    @asynccontextmanager
    async def blob(self, digest: str, offset: int = 0) -> AsyncIterator[aiohttp.ClientResponse]:
        """See ``BlobSource``."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._get(self._url(f"blobs/{digest}"), headers, accepted=(200, 206)) as response:
            yield response

    def _url(self, rest: str) -> str:
        url = f"{self.endpoint.url}/v2/{self._path}/{rest}"
        if not self.endpoint.namespace:
            return url
        return f"{url}{'&' if '?' in rest else '?'}{urlencode({'ns': self.endpoint.namespace})}"

    async def _manifest(self, tag_or_digest: str) -> tuple[bytes, str]:
        async with self._get(self._url(f"manifests/{tag_or_digest}"), {"Accept": ACCEPT}) as response:
            body = await read_limited(response, manifests.LARGEST_MANIFEST, "manifest")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        algorithm, colon, hexadecimal = tag_or_digest.partition(":")
        if colon and hashlib.new(algorithm, body).hexdigest() != hexadecimal:
            raise RemoteFailure(f"manifest verification failed for digest {tag_or_digest}")
        return body, media_type

    async def _content(self, digest: str, limit: int) -> bytes:
        async with self._get(self._url(f"blobs/{digest}"), {}) as response:
            return await read_limited(response, limit, f"blob {digest}")

    async def _tags_page(self, url: str) -> tuple[list[str], str | None]:
        async with self._get(url, {}) as response:
            body = await read_limited(response, LARGEST_TAGS_PAGE, "list of tags")
            following = response.links.get("next")
        try:
            page = msgspec.json.decode(body, type=_Tags).tags or []
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RemoteFailure(f"invalid list of tags: {error}") from None
        if following is None:
            return page, None
        target = urljoin(url, str(following.get("url", "")))
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            raise RemoteFailure(f"{self.endpoint.host} continues its list of tags at another host: refused")
        return page, target

    @asynccontextmanager
    async def _get(
        self,
        url: str | URL,
        headers: Mapping[str, str],
        accepted: tuple[int, ...] = (200,),
        method: str = "GET",
        body: Callable[[], Body] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # An upload may go on at another host; what proves who we are is for this one only.
        ours = urlsplit(str(url))[:2] == urlsplit(self.endpoint.url)[:2]
        authorization = await self._authorization() if ours else None
        for last in (not ours, True):
            sent = {**headers, "Authorization": authorization} if authorization else headers
            content = body() if body is not None else None
            async with self._transport.request(method, url, self.endpoint, sent, content) as response:
                if response.status in accepted:
                    yield response
                    return
                failure = await failure_of(response)
                if response.status != 401 or last:
                    raise failure
                self._challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
            refused, authorization = authorization, await self._authorization(authorization)
            if authorization is None and any(challenge.scheme == "basic" for challenge in self._challenges):
                raise RemoteFailure(f'{method.title()} "{url}": no basic auth credentials', status=401)
            if authorization in (None, refused):
                raise failure

    async def _authorization(self, refused: str | None = None) -> str | None:
        """The header to send; another than that ``refused``, if there is one."""
        if self._auth.registry_token and refused is None:
            return f"Bearer {self._auth.registry_token}"
        for challenge in self._challenges:
            if challenge.scheme == "bearer":
                scope = " ".join(self.scopes)
                known = (refused or "").removeprefix("Bearer ")
                token = await self._tokens.bearer(challenge, self.endpoint, scope, self._auth, known)
                return f"Bearer {token}"
        if any(challenge.scheme == "basic" for challenge in self._challenges):
            return self._auth.basic
        return None


R = TypeVar("R", bound=Repository)


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class Registries:
    """Finds out how a registry is to be spoken to: over TLS or not, and how it wants its clients to authenticate."""

    def __init__(
        self, transport: Transport, config: RegistryConfig, tokens: Tokens, policy: RetryPolicy | None = None
    ) -> None:
        self.config = config
        self.policy = policy or RetryPolicy()
        self._transport = transport
        self._tokens = tokens

    def reload(self, config: RegistryConfig) -> None:
        """Go by ``config`` from now on; what is under way goes on as it began."""
        self.config = self._tokens.config = config

    async def open(
        self,
        place: Place,
        path: str,
        auth: Auth | None,
        kind: type[R] = Repository,  # type: ignore[assignment]
    ) -> R:
        """The repository ``path`` at ``place``. Raises ``RemoteFailure`` when no server answers there."""
        endpoint, challenges = await self.reach(place)
        return kind(self._transport, self._tokens, self.policy, endpoint, challenges, path, auth)

    async def reach(self, place: Place) -> tuple[Endpoint, tuple[Challenge, ...]]:
        """The endpoint of ``place`` that answers, whatever it answers, and the challenges it puts."""
        try:
            return await self._reach(place)
        except RemoteFailure as failure:
            if not failure.cut:
                raise
        return await self._reach(place)

    async def _reach(self, place: Place) -> tuple[Endpoint, tuple[Challenge, ...]]:
        failure = RemoteFailure("no endpoints found")
        for endpoint in place:
            url = f"{endpoint.url}/v2/"
            try:
                async with asyncio.timeout(_PING_SECONDS), self._transport.request("GET", url, endpoint) as response:
                    return endpoint, parse_challenges(response.headers.getall("WWW-Authenticate", []))
            except TimeoutError:
                reason = "net/http: request canceled while waiting for connection"
                failure = RemoteFailure(f'Get "{url}": {reason}', transient=True)
            except RemoteFailure as error:
                failure = error
            # Of TLS and plain HTTP the last failure is the one that tells: the first occurs with every plain server.
            log.debug("no registry at %s: %s", endpoint.url, failure)
        raise failure
