"""Whether credentials are good, as ``docker login`` asks (``POST /auth``)."""

from urllib.parse import urlsplit

from havre.errors import InvalidParameter
from havre.image.remote.auth import Auth
from havre.image.remote.config import INDEX_HOST, Endpoint, Place
from havre.image.remote.failures import RemoteFailure, login_refused
from havre.image.remote.repository import Registries
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport
from havre.lib.challenges import Challenge


class Login:
    """Checks credentials against the registry they are for."""

    def __init__(self, transport: Transport, registries: Registries, tokens: Tokens) -> None:
        self._transport = transport
        self._registries = registries
        self._tokens = tokens

    async def check_auth(self, auth: Auth) -> dict[str, str]:
        """Docker's answer, ``{"Status", "IdentityToken"}``: the token is one to keep instead of the password, or "".

        Raises ``Unauthorized`` when the registry refuses, ``Unavailable`` when it is out of reach.
        """
        places = await self._registries.config.places(_host(auth.server_address), mirrors=False)
        try:
            token = await self._check(places[-1], auth)
        except RemoteFailure as failure:
            raise login_refused(failure) from None
        return {"Status": "Login Succeeded", "IdentityToken": token}

    async def _check(self, place: Place, auth: Auth) -> str:
        endpoint, challenges = await self._registries.reach(place)
        headers, refresh = await self._answer(endpoint, challenges, auth)
        url = f"{endpoint.url}/v2/"
        async with self._transport.request("GET", url, endpoint, headers) as response:
            if response.status != 200:
                raise RemoteFailure(
                    f"login attempt to {url} failed with status: {response.status} {response.reason}",
                    status=response.status,
                )
        return refresh

    async def _answer(
        self, endpoint: Endpoint, challenges: tuple[Challenge, ...], auth: Auth
    ) -> tuple[dict[str, str], str]:
        """The header that answers ``challenges``, and a refresh token, if one came with it."""
        if auth.registry_token:
            return {"Authorization": f"Bearer {auth.registry_token}"}, ""
        for challenge in challenges:
            if challenge.scheme == "bearer":
                token = await self._tokens.fetch(challenge, endpoint, "", auth, offline=True)
                return {"Authorization": f"Bearer {token.access}"}, token.refresh or auth.identity_token
        if any(challenge.scheme == "basic" for challenge in challenges):
            if auth.basic is None:
                raise RemoteFailure(f'Get "{endpoint.url}/v2/": no basic auth credentials', status=401)
            return {"Authorization": auth.basic}, ""
        return {}, ""


def _host(address: str) -> str:
    if not address:
        return INDEX_HOST
    parts = urlsplit(address if "://" in address else f"https://{address}")
    if parts.scheme not in ("http", "https"):
        raise InvalidParameter(
            f'invalid server address "{address}": unsupported URL scheme "{parts.scheme}": must be "http" or "https"'
        )
    return parts.netloc
