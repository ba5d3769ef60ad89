"""The registry's own tokens: signed, short access tokens for some scopes, and refresh tokens ("identity tokens").

The two are told apart by their audience, so that neither passes for the other. Which key and which algorithm verify a
token is decided here, never by the token.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from havre.registry.access.scopes import Access, Scope, from_claim, to_claim
from havre.registry.access.signing import ALGORITHM, key_id
from havre.registry.identity import ANONYMOUS, Identity

LIFETIME = 300
REFRESH_LIFETIME = 90 * 24 * 3600
_REQUIRED = ["iss", "sub", "aud", "exp", "nbf", "iat"]
LEEWAY = 30
# PyJWT lets the last two through: text that is no UTF-8, and JSON that is nested too deep.
MALFORMED = (jwt.InvalidTokenError, ValueError, RecursionError)


class BadToken(Exception):
    """The token is not valid here; the text says why, for the log and the challenge."""


@dataclass(frozen=True, slots=True)
class Claims:
    """``fingerprint`` is that of the password the token was given for, empty in foreign tokens;
    ``expires`` is in seconds since 1970."""

    identity: Identity
    access: Access
    fingerprint: str = ""
    expires: float = 0


class Tokens:
    """Issues and reads them for one service."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        service: str,
        clock: Callable[[], float] = time.time,
        lifetime: int = LIFETIME,
    ) -> None:
        self._key = key
        self._public = key.public_key()
        self._kid = key_id(self._public)
        self._clock = clock
        self.service = service
        self.lifetime = lifetime

    def access_token(self, identity: Identity, fingerprint: str, scopes: Iterable[Scope]) -> str:
        """A token that says who it is and, for ``lifetime`` seconds, what of it may be used."""
        return self._issue(identity, fingerprint, self.service, self.lifetime, access=to_claim(scopes))

    def refresh_token(self, identity: Identity, fingerprint: str) -> str:
        """A token that gets others, as long as the password stays the one it was given for."""
        return self._issue(identity, fingerprint, self._refresh_audience, REFRESH_LIFETIME)

    def read_access(self, token: str) -> Claims:
        """What an access token says. BadToken when it is not one of ours, or not any more."""
        return self._read(token, self.service)

    def read_refresh(self, token: str) -> Claims:
        """Who a refresh token was given to. BadToken when it is not one of ours, or not any more."""
        return self._read(token, self._refresh_audience)

    @property
    def _refresh_audience(self) -> str:
        return f"{self.service}#refresh"

    def _issue(self, identity: Identity, fingerprint: str, audience: str, lifetime: int, **more: Any) -> str:
        now = int(self._clock())
        claims = {
            "iss": self.service,
            "sub": str(identity),
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": secrets.token_hex(8),
            "fpr": fingerprint,
            **more,
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._kid})

    def _read(self, token: str, audience: str) -> Claims:
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=self.service,
                # The times are checked below, by our clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except MALFORMED as error:
            raise BadToken(str(error)) from error
        expires = check_times(claims, self._clock(), leeway=0)
        kind, _, name = str(claims["sub"]).partition(":")
        identity = Identity(kind, name) if name else ANONYMOUS
        return Claims(identity, from_claim(claims.get("access")), str(claims.get("fpr", "")), expires)


def check_times(claims: dict[str, Any], now: float, leeway: int = LEEWAY) -> float:
    """When the token ends; BadToken unless it is valid at ``now``. Both give or take ``leeway`` seconds."""
    expires, begins = _moment(claims.get("exp")), _moment(claims.get("nbf", 0))
    if not now < expires + leeway:
        raise BadToken("the token has expired")
    if now < begins - leeway:
        raise BadToken("the token is not valid yet")
    return expires + leeway


def _moment(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise BadToken("the times in the token are no numbers")
    return claim
