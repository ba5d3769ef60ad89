"""The gate: who is asking, whether it is too often, and whether they may."""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from havre.registry.access import credentials
from havre.registry.access.accounts import Accounts, WrongCredentials
from havre.registry.access.budgets import Budgets
from havre.registry.access.challenges import BASIC, SEARCH, BearerScheme, is_client, is_protocol, scope_of
from havre.registry.access.peers import Peers
from havre.registry.access.scopes import REGISTRY, REPOSITORY, Access, covers
from havre.registry.access.tokens import BadToken, Claims
from havre.registry.call import Call
from havre.registry.errors import Denied, Unauthorized
from havre.registry.identity import ANONYMOUS, CERTIFICATE, Identity
from havre.registry.seams import Action

log = logging.getLogger(__name__)
_REMEMBERED = 2_000


class TokenReader(Protocol):
    """Knows which access tokens may be believed."""

    def read_access(self, token: str) -> Claims:
        """What the token says. BadToken when it may not be believed."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; ``access`` is what their token is for, None without one."""

    identity: Identity
    access: Access | None = None


class AccessGate:
    """``scheme`` is how protocol clients are told to sign in; with ``passwords``, names and passwords are taken, too.

    With neither, nobody can sign in and everybody is anonymous (or has a client certificate). ``foreign`` says that the
    tokens are another server's, which then decides alone what they allow.
    """

    def __init__(
        self,
        accounts: Accounts,
        peers: Peers,
        budgets: Budgets,
        *,
        passwords: bool,
        scheme: BearerScheme | None = None,
        reader: TokenReader | None = None,
        foreign: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.accounts = accounts
        self.peers = peers
        self._budgets = budgets
        self._passwords = passwords
        self._scheme = scheme
        self._reader = reader
        self._foreign = foreign
        self._clock = clock
        self._believed: OrderedDict[bytes, Claims] = OrderedDict()

    @property
    def asks_who(self) -> bool:
        """Whether anybody can sign in here."""
        return self._passwords or self._scheme is not None

    @property
    def takes_passwords(self) -> bool:
        """Whether a name and a password get one in."""
        return self._passwords

    async def admit(self, call: Call, action: Action, repository: str | None) -> Identity:
        """Who asks, if they may: see ``seams.Gate``."""
        address = self.peers.address(call.request)
        if action == "open" and not is_protocol(call):
            self._count(call, ANONYMOUS, address)
            return ANONYMOUS
        try:
            caller = await self._caller(call, address, action, repository)
        except Unauthorized:
            self._count(call, ANONYMOUS, address)
            raise
        # What is refused is noted by name in the audit log as well.
        call.identity = caller.identity
        self._count(call, caller.identity, address)
        self._permit(call, caller, action, repository)
        return caller.identity

    async def identify(self, call: Call) -> Identity:
        """Who asks, whatever for. ``Unauthorized`` when their credentials are wrong."""
        return (await self._caller(call, self.peers.address(call.request), "open", None)).identity

    def may_read(self, call: Call, repository: str) -> bool:
        """Whether the repository is shown in lists to who sent ``call``, who has been admitted."""
        return self._foreign or "pull" in self.accounts.granted(call.identity, repository)

    async def close(self) -> None:
        """Let go of the threads."""
        await self.accounts.close()

    def challenge(self, call: Call, action: str, repository: str | None, error: str = "") -> str:
        """How to get in."""
        if self._scheme is None or (self._passwords and not is_client(call)):
            return BASIC
        return self._scheme.challenge(self.peers.base_url(call.request), scope_of(call, action, repository), error)

    async def _caller(self, call: Call, address: str, action: str, repository: str | None) -> Caller:
        try:
            given = credentials.read(call.headers.get("Authorization")) if self.asks_who else None
        except ValueError as error:
            raise self._unauthorized(call, action, repository, str(error)) from None
        if isinstance(given, credentials.Bearer):
            return self._bearer(call, given.token, action, repository)
        if isinstance(given, credentials.Password):
            if not self._passwords:
                raise self._unauthorized(call, action, repository, "authentication required")
            try:
                return Caller(await self.accounts.sign_in(given.name, given.secret, address))
            except WrongCredentials:
                message = "incorrect username or password"
                raise self._unauthorized(call, action, repository, message) from None
        return Caller(_certificate(call) or ANONYMOUS)

    def _bearer(self, call: Call, token: str, action: str, repository: str | None) -> Caller:
        try:
            if self._reader is None:
                raise BadToken("tokens are not used here")
            claims = self._read(self._reader, token)
            if not self._foreign and self.accounts.fingerprint(claims.identity) != claims.fingerprint:
                raise BadToken("the account is gone or has another password now")
        except BadToken as error:
            log.info("a token was refused: %s", error)
            raise self._unauthorized(call, action, repository, "invalid token", "invalid_token") from None
        return Caller(claims.identity, claims.access)

    def _read(self, reader: TokenReader, token: str) -> Claims:
        key = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._believed.get(key)
        if known is None or self._clock() >= known.expires:
            self._believed.pop(key, None)
            known = self._believed[key] = reader.read_access(token)
            while len(self._believed) > _REMEMBERED:
                self._believed.popitem(last=False)
        return known

    def _permit(self, call: Call, caller: Caller, action: Action, repository: str | None) -> None:
        identity = caller.identity
        if action == "open":
            # Clients learn here how to sign in, and whether they have: only who cannot is let in unnamed.
            if self.asks_who and identity.is_anonymous and caller.access is None:
                raise self._unauthorized(call, action, repository, "authentication required")
            return
        allowed = self._foreign or self._rules_allow(identity, action, repository)
        if not allowed and not (self.asks_who and identity.is_anonymous):
            raise Denied("requested access to the resource is denied", detail=_detail(action, repository))
        if not allowed or (self._foreign and caller.access is None):
            raise self._unauthorized(call, action, repository, "authentication required")
        if caller.access is not None and not _token_allows(caller.access, call, action, repository):
            raise self._unauthorized(call, action, repository, "authentication required", "insufficient_scope")

    def _rules_allow(self, identity: Identity, action: Action, repository: str | None) -> bool:
        if action == "admin":
            return self.accounts.administers(identity)
        if action == "catalog":
            # What may not be read is left out of the list.
            return not identity.is_anonymous or not self.asks_who or self.accounts.reads_something(identity)
        return repository is not None and action in self.accounts.granted(identity, repository)

    def _count(self, call: Call, identity: Identity, address: str) -> None:
        # A mount is admitted twice, and is one request.
        if call.answer_headers is None:
            call.answer_headers = {}
            call.answer_headers = self._budgets.spend(call, identity, address)

    def _unauthorized(
        self, call: Call, action: str, repository: str | None, message: str, error: str = ""
    ) -> Unauthorized:
        challenge = self.challenge(call, action, repository, error)
        return Unauthorized(message, challenge, detail=_detail(action, repository))


def _detail(action: str, repository: str | None) -> list[dict[str, str]]:
    """What was refused. Docker's client takes an error without a detail for one that passes, and tries again."""
    return [{"Type": REPOSITORY if repository else REGISTRY, "Name": repository or "", "Action": action}]


def _token_allows(access: Access, call: Call, action: str, repository: str | None) -> bool:
    if action == "catalog":
        # "docker search" asks for a token of its own.
        return covers(access, REGISTRY, "catalog", "search" if call.request.path == SEARCH else "*")
    return repository is not None and covers(access, REPOSITORY, repository, action)


def _certificate(call: Call) -> Identity | None:
    """The common name in the certificate the client has shown, which TLS has verified by now."""
    transport = call.request.transport
    shown = transport.get_extra_info("peercert") if transport is not None else None
    for entry in (shown or {}).get("subject", ()):
        for key, value in entry:
            if key == "commonName" and value:
                return Identity(CERTIFICATE, value)
    return None
