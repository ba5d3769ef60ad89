"""``docker search``: what a registry's old first protocol (``/v1/search``) finds; the second has nothing for it.

The engine's ``searching`` comes in here.
"""

from collections.abc import Sequence

import msgspec

from havre.image.remote.auth import Auth
from havre.image.remote.config import HUB_NAMES, INDEX_HOST, Endpoint, Place
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Registries
from havre.image.remote.retry import persistently
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport, read_limited
from havre.lib.challenges import Challenge, parse_challenges
from havre.lib.references import DEFAULT_DOMAIN

LARGEST_ANSWER = 4 << 20
_SCOPE = "registry:catalog:search"


class Result(msgspec.Struct, frozen=True):
    """One repository that was found."""

    name: str = ""
    description: str | None = None
    star_count: int = 0
    is_official: bool = False


class Search:
    """Asks registries for repositories by words."""

    def __init__(self, transport: Transport, registries: Registries, tokens: Tokens) -> None:
        self._transport = transport
        self._registries = registries
        self._tokens = tokens

    async def find(self, domain: str, words: str, limit: int, auth: Auth | None) -> list[Result]:
        """At most ``limit`` repositories of the registry ``domain``, in its order. Raises ``RemoteFailure``."""
        place = await self._place(domain)
        auth = auth or Auth()
        return await persistently(self._registries.policy, lambda: self._find(place, words, limit, auth))

    async def _place(self, domain: str) -> Place:
        config = self._registries.config
        place = (await config.places(domain, mirrors=False))[-1]
        if domain in HUB_NAMES:
            return (Endpoint(f"https://{INDEX_HOST}", trust=config.trust(INDEX_HOST) or place[0].trust),)
        return place

    async def _find(self, place: Place, words: str, limit: int, auth: Auth) -> list[Result]:
        failure = RemoteFailure("no endpoints found")
        for endpoint in place:
            try:
                return await self._ask(endpoint, words, limit, auth)
            except RemoteFailure as error:
                failure = error
                if error.status is not None:
                    break
            # Of TLS and plain HTTP the last failure is the one that tells.
        raise failure

    async def _ask(self, endpoint: Endpoint, words: str, limit: int, auth: Auth) -> list[Result]:
        url = f"{endpoint.url}/v1/search"
        headers = {"Authorization": auth.basic} if auth.basic else await self._signed_in(endpoint, auth)
        for last in (False, True):
            async with self._transport.request(
                "GET", url, endpoint, headers, query={"q": words, "n": str(limit)}
            ) as got:
                if got.status == 200:
                    return _read(await read_limited(got, LARGEST_ANSWER, "search results"))[:limit]
                transient = got.status >= 500 or got.status == 429
                failure = RemoteFailure(f"Unexpected status code {got.status}", status=got.status, transient=transient)
                offered = parse_challenges(got.headers.getall("WWW-Authenticate", []))
            if got.status != 401 or last or not (headers := await self._bearer(offered, endpoint, auth)):
                break
        raise failure

    async def _signed_in(self, endpoint: Endpoint, auth: Auth) -> dict[str, str]:
        """The header for who has an identity token: a registry that shows the anonymous something asks nobody."""
        if not auth.identity_token:
            return {}
        async with self._transport.request("GET", f"{endpoint.url}/v2/", endpoint, {}) as got:
            offered = parse_challenges(got.headers.getall("WWW-Authenticate", []))
        return await self._bearer(offered, endpoint, auth)

    async def _bearer(self, offered: Sequence[Challenge], endpoint: Endpoint, auth: Auth) -> dict[str, str]:
        challenge = next((challenge for challenge in offered if challenge.scheme == "bearer"), None)
        if challenge is None:
            return {}
        return {"Authorization": f"Bearer {await self._tokens.bearer(challenge, endpoint, _SCOPE, auth)}"}


def split(term: str) -> tuple[str, str]:
    """``quay.io/some/words`` → registry and words; without a registry Docker Hub is meant."""
    first, slash, rest = term.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        domain, words = first, rest
    else:
        domain, words = DEFAULT_DOMAIN, term
    return domain, words.removeprefix("library/") if domain in HUB_NAMES else words


def _read(body: bytes) -> list[Result]:
    try:
        return msgspec.json.decode(body, type=_Found).results or []
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RemoteFailure(f"error decoding registry search results: {error}") from None


class _Found(msgspec.Struct):
    results: list[Result] | None = None
