"""Credentials as clients hand them in. Pure; the door comes in to decode."""

import base64
import binascii
import logging
from dataclasses import dataclass, field

import msgspec

from havre.lib.challenges import basic

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Auth:
    """What a client has for a registry: a name and password, an identity (refresh) token, or a bearer token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server_address: str = ""

    @property
    def anonymous(self) -> bool:
        return not (self.identity_token or self.registry_token or (self.username and self.password))

    @property
    def basic(self) -> str | None:
        """The value of an ``Authorization`` header of scheme Basic, or None without name and password."""
        return basic(self.username, self.password) or None


class _AuthConfig(msgspec.Struct, rename="lower"):
    username: str = ""
    password: str = ""
    auth: str = ""
    serveraddress: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


def decode_auth(header: str | None) -> Auth | None:
    """Read ``X-Registry-Auth``: URL-safe base64 of Docker's AuthConfig JSON. None when there is nothing to use.

    A header that cannot be read counts as none, as dockerd has it for pulls: clients send all kinds of empty values.
    """
    if not header:
        return None
    try:
        data = base64.urlsafe_b64decode(header.translate(_TO_URLSAFE).rstrip("=") + "==")
        auth = auth_from_json(data)
    except (binascii.Error, ValueError) as error:
        log.warning("ignoring an X-Registry-Auth header that cannot be read: %s", error)
        return None
    return None if auth.anonymous else auth


def auth_from_json(data: bytes) -> Auth:
    """Read Docker's AuthConfig, the body of ``POST /auth``. Raises ``ValueError`` when it is something else."""
    try:
        config = msgspec.json.decode(data, type=_AuthConfig | None) or _AuthConfig()
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"invalid registry credentials: {error}") from None
    username, password = config.username, config.password
    if config.auth and not username:
        username, _, password = base64.b64decode(config.auth).decode().partition(":")
    return Auth(username, password, config.identitytoken, config.registrytoken, config.serveraddress)


_TO_URLSAFE = str.maketrans("+/", "-_")
