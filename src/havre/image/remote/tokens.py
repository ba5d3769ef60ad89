"""Bearer tokens for registries (distribution's token authentication), fetched once and kept until they expire."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint, RegistryConfig
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.transport import Transport, failure_of, read_limited
from havre.lib.challenges import Challenge, token_question

LARGEST_ANSWER = 1 << 20
_SHORTEST_LIFE = 60  # seconds; old clients did not read expires_in and took this for granted, so servers keep to it


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, how many seconds it lives, and a refresh ("identity") token if the server gave one."""

    access: str
    lifetime: float
    refresh: str = ""


class Tokens:
    """The token cache of a daemon."""

    def __init__(
        self, transport: Transport, config: RegistryConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self.config = config
        self._clock = clock
        self._kept: dict[_Key, tuple[str, float]] = {}
        self._locks: defaultdict[_Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def bearer(
        self, challenge: Challenge, endpoint: Endpoint, scope: str, auth: Auth, refused: str | None = None
    ) -> str:
        """A token that answers ``challenge``; never again the one that the registry has just ``refused``."""
        parameters = challenge.parameters
        key = (parameters.get("realm", ""), parameters.get("service", ""), scope, auth)
        async with self._locks[key]:
            access, end = self._kept.get(key, ("", 0.0))
            if access and access != refused and self._clock() < end:
                return access
            token = await self.fetch(challenge, endpoint, scope, auth)
            self._forget_expired()
            # A token about to expire would be refused on its way.
            self._kept[key] = (token.access, self._clock() + token.lifetime * 0.9)
            return token.access

    async def fetch(
        self, challenge: Challenge, endpoint: Endpoint, scope: str, auth: Auth, *, offline: bool = False
    ) -> Token:
        """Ask the token server named by ``challenge``; ``offline`` asks for a refresh token as well.

        Several scopes are apart by spaces.
        """
        realm = await self._realm(challenge, endpoint, auth)
        server = self.config.beside(realm, endpoint)
        user = auth.username if auth.basic else ""
        url, form = token_question(challenge, scope, user, auth.identity_token, offline)
        headers = {"Authorization": auth.basic} if auth.basic and form is None else {}
        return await self._ask("GET" if form is None else "POST", url, server, headers, form)

    async def _ask(
        self, method: str, url: str, server: Endpoint, headers: dict[str, str], form: dict[str, str] | None
    ) -> Token:
        async with self._transport.request(method, url, server, headers, form) as response:
            if response.status != 200:
                raise await failure_of(response)
            body = await read_limited(response, LARGEST_ANSWER, "token")
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RemoteFailure(f"unable to decode token response: {error}") from None
        access = answer.access_token or answer.token
        if not access or not access.isascii() or not access.isprintable():
            raise RemoteFailure("authorization server did not include a token in the response")
        return Token(access, max(answer.expires_in or 0, _SHORTEST_LIFE), answer.refresh_token or "")

    async def _realm(self, challenge: Challenge, endpoint: Endpoint, auth: Auth) -> str:
        realm = challenge.parameters.get("realm", "")
        parts = urlsplit(realm)
        if not realm:
            raise RemoteFailure("no realm specified for token auth challenge")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RemoteFailure(f'invalid token auth challenge realm: "{realm[:200]}"')
        secure = endpoint.url.startswith("https:") and endpoint.verify
        if secure and parts.scheme == "http" and not auth.anonymous and not await self.config.is_insecure(parts.netloc):
            raise RemoteFailure(
                f"{endpoint.host} wants the credentials sent to {parts.netloc} over plain HTTP: refused", status=403
            )
        return realm

    def _forget_expired(self) -> None:
        now = self._clock()
        for key in [key for key, (_, end) in self._kept.items() if end <= now]:
            del self._kept[key]
            if key in self._locks and not self._locks[key].locked():
                del self._locks[key]


_Key = tuple[str, str, str, Auth]


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None
    refresh_token: str | None = None
