"""``/token``: the token server of Docker's protocol, by GET with Basic authorization and by POST as in OAuth 2."""

import asyncio
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from aiohttp.web_response import Response

from havre.lib.times import rfc3339nano
from havre.registry.access import credentials, scopes
from havre.registry.access.accounts import Accounts, WrongCredentials
from havre.registry.access.challenges import BASIC
from havre.registry.access.peers import Peers
from havre.registry.access.rules import ADMIN
from havre.registry.access.scopes import REGISTRY, REPOSITORY, Scope
from havre.registry.access.tokens import BadToken, Tokens
from havre.registry.call import Call
from havre.registry.errors import TokenRequestInvalid, Unauthorized
from havre.registry.handlers import answers
from havre.registry.identity import ANONYMOUS, Identity

_LARGEST = 64 * 1024
_PATIENCE = 30


class TokenDoor:
    """Gives tokens to the accounts, and to the anonymous where they may read something."""

    def __init__(
        self, accounts: Accounts, tokens: Tokens, peers: Peers, clock: Callable[[], float] = time.time
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._peers = peers
        self._clock = clock

    async def get(self, call: Call) -> Response:
        """GET /token?service=…&scope=…: who asks is in the Authorization header, or nowhere."""
        try:
            given = credentials.read(call.headers.get("Authorization"))
        except ValueError as error:
            raise Unauthorized(str(error), BASIC) from None
        if isinstance(given, credentials.Bearer):
            raise Unauthorized("a token cannot be had for a token", BASIC)
        if given is None:
            if not self._accounts.reads_something(ANONYMOUS):
                raise Unauthorized("authentication required", BASIC)
            identity = ANONYMOUS
        else:
            identity = await self._sign_in(call, given.name, given.secret)
        call.identity = identity
        refresh = None
        if call.query("offline_token") == "true" and not identity.is_anonymous:
            refresh = self._tokens.refresh_token(identity, self._fingerprint(identity))
        return self._answer(identity, call.query("service"), call.queries("scope"), refresh)

    async def post(self, call: Call) -> Response:
        """POST /token: a password, or a refresh token, in a form."""
        form = await _form(call)
        grant = form.get("grant_type")
        refresh = None
        if grant == "password":
            identity = await self._sign_in(call, form.get("username", ""), form.get("password", ""))
            if form.get("access_type") == "offline":
                refresh = self._tokens.refresh_token(identity, self._fingerprint(identity))
        elif grant == "refresh_token":
            refresh = form.get("refresh_token", "")
            identity = self._refreshed(refresh)
        else:
            raise TokenRequestInvalid("unsupported grant_type: use password or refresh_token")
        call.identity = identity
        return self._answer(identity, form.get("service"), [form.get("scope", "")], refresh)

    async def _sign_in(self, call: Call, name: str, secret: str) -> Identity:
        try:
            return await self._accounts.sign_in(name, secret, self._peers.address(call.request))
        except WrongCredentials:
            raise Unauthorized("incorrect username or password", BASIC) from None

    def _refreshed(self, token: str) -> Identity:
        try:
            claims = self._tokens.read_refresh(token)
        except BadToken as error:
            raise Unauthorized("invalid refresh token: log in again", BASIC) from error
        if self._fingerprint(claims.identity) != claims.fingerprint:
            raise Unauthorized("the account is gone or has another password now: log in again", BASIC)
        return claims.identity

    def _answer(self, identity: Identity, service: str | None, wanted: list[str], refresh: str | None) -> Response:
        if service and service != self._tokens.service:
            raise TokenRequestInvalid(f"this is the token server of {self._tokens.service}")
        try:
            asked = scopes.parse(wanted)
        except ValueError as error:
            raise TokenRequestInvalid(str(error)) from None
        granted = [scope for scope in (self._granted(identity, scope) for scope in asked) if scope.actions]
        token = self._tokens.access_token(identity, self._fingerprint(identity), granted)
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": self._tokens.lifetime,
            "issued_at": rfc3339nano(int(self._clock()) * 1_000_000_000),
            "scope": " ".join(map(str, granted)),
        }
        if refresh is not None:
            answer["refresh_token"] = refresh
        return answers.json(answer, {"Cache-Control": "no-store"})

    def _granted(self, identity: Identity, scope: Scope) -> Scope:
        """What of ``scope`` the account may have; a token is never wider than what is asked for."""
        allowed: frozenset[str] = frozenset()
        if scope.kind == REPOSITORY:
            allowed = self._accounts.granted(identity, scope.name) - {ADMIN}
            if "*" not in scope.actions:
                allowed &= scope.actions
        elif (scope.kind, scope.name) == (REGISTRY, "catalog"):
            allowed = scope.actions & {"*", "search"}
        return Scope(scope.kind, scope.name, allowed)

    def _fingerprint(self, identity: Identity) -> str:
        return self._accounts.fingerprint(identity) or ""


async def _form(call: Call) -> Mapping[str, str]:
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            while data := await call.request.content.readany():
                body += data
                if len(body) > _LARGEST:
                    raise TokenRequestInvalid("the form is too large")
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=50)
    except (ValueError, TimeoutError) as error:
        raise TokenRequestInvalid("malformed form") from error
    return {name: " ".join(values) if name == "scope" else values[0] for name, values in fields.items()}
