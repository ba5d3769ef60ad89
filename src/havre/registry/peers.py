"""Other registries that this one speaks to, as the configuration has them: upstreams and targets of replication."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from havre.errors import HavreError, InvalidParameter, Unavailable
from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint, RegistryConfig
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.proxies import Proxies
from havre.image.remote.repository import Registries, Repository
from havre.image.remote.retry import RetryPolicy
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport
from havre.image.remote.trust import Trust
from havre.registry.errors import Denied, TooManyRequests
from havre.registry.sections import Table

R = TypeVar("R", bound=Repository)

_MOST_OPEN = 1000
_RETRY_AFTER = 60  # seconds, where a registry that limits us does not say


class Peer(Table, frozen=True):
    """``url`` is ``https://host[:port]`` or ``http://…``; ``insecure`` takes any certificate. ``ca``, ``cert`` and
    ``key`` are files, and so is ``password_file``.
    """

    url: str
    username: str = ""
    password: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{self.url!r} is no URL of a registry")
        if parts.username is not None:
            raise ValueError("credentials are not part of a registry's URL: set username and password")
        if self.password and self.password_file:
            raise ValueError("password and password-file mean the same: set one")
        if bool(self.username) != bool(self.password or self.password_file):
            raise ValueError("username needs password or password-file, and they need it")
        if self.key and not self.cert:
            raise ValueError("key needs cert")
        if parts.scheme == "http" and (self.ca or self.cert):
            raise ValueError("ca and cert are for https")
        if self.insecure and self.ca:
            raise ValueError("insecure takes any certificate: ca means nothing then")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def auth(self) -> Auth | None:
        """The credentials. Raises ``InvalidParameter`` when their file cannot be read."""
        password = self.password
        if self.password_file:
            try:
                password = Path(self.password_file).read_text().strip()
            except OSError as error:
                raise InvalidParameter(f"cannot read {self.password_file}: {error.strerror}") from None
        return Auth(self.username, password) if self.username else None


class Connection:
    """Repositories of one peer, opened when they are first asked for."""

    def __init__(self, session: aiohttp.ClientSession, peer: Peer, policy: RetryPolicy) -> None:
        self._auth = peer.auth()
        plain = peer.insecure or peer.url.startswith("http:")
        config = RegistryConfig(certificates=(), insecure=(peer.host,) if plain else ())
        transport = Transport(session, Proxies.from_environ(os.environ))
        self._registries = Registries(transport, config, Tokens(transport, config), policy)
        trust = Trust(None, peer.ca, peer.cert, peer.key)
        self._place = (Endpoint(peer.url.rstrip("/"), verify=not plain, trust=trust),)
        self._open: OrderedDict[str, Any] = OrderedDict()

    async def repository(self, path: str, kind: type[R]) -> R:
        """The repository ``path``, always of the same kind. Raises ``RemoteFailure`` when no registry answers."""
        found: R | None = self._open.get(path)
        if found is None:
            found = self._open[path] = await self._registries.open(self._place, path, self._auth, kind)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return found


def refusal(failure: RemoteFailure, peer: Peer) -> HavreError:
    """What a client is told of a failure at a peer: limits and refusals as they are, the rest as our own trouble."""
    text = f"{peer.host}: {failure.text}"
    if failure.status == 429:
        return TooManyRequests(text, int(failure.retry_after or _RETRY_AFTER))
    if failure.status in (401, 403):
        return Denied(text)
    return Unavailable(text)
