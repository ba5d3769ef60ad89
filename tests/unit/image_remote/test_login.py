"""``docker login`` against registries with passwords and with tokens."""

import pytest

from havre.errors import InvalidParameter, Unauthorized, Unavailable
from havre.image.remote.auth import Auth
from havre.image.remote.login import Login
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import Remote


@pytest.fixture
def login(remote: Remote) -> Login:
    return Login(remote.transport, remote.registries, remote.tokens)


SUCCESS = {"Status": "Login Succeeded", "IdentityToken": ""}


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/v1/", "https://{}"])
async def test_a_password_that_is_right(login: Login, registry: FakeRegistry, form: str) -> None:
    registry.credentials = ("me", "secret")
    assert await login.check_auth(Auth("me", "secret", server_address=form.format(registry.host))) == SUCCESS


async def test_a_password_that_is_wrong(login: Login, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    with pytest.raises(Unauthorized, match="failed with status: 401 Unauthorized"):
        await login.check_auth(Auth("me", "wrong", server_address=registry.host))
    with pytest.raises(Unauthorized, match="no basic auth credentials"):
        await login.check_auth(Auth("me", "", server_address=registry.host))


async def test_a_registry_that_asks_for_nothing(login: Login, registry: FakeRegistry) -> None:
    assert await login.check_auth(Auth("me", "any", server_address=registry.host)) == SUCCESS


async def test_a_token_server(login: Login, registry: FakeRegistry) -> None:
    registry.credentials, registry.refresh_token = ("me", "secret"), "keep me"
    registry.ask_for_token()
    answer = await login.check_auth(Auth("me", "secret", server_address=registry.host))
    assert answer == {"Status": "Login Succeeded", "IdentityToken": "keep me"}
    (asked,) = registry.asked("/token")
    assert asked.path == "/token?service=fake&offline_token=true&client_id=docker&account=me"
    with pytest.raises(Unauthorized, match="unauthorized: incorrect username or password"):
        await login.check_auth(Auth("me", "wrong", server_address=registry.host))


async def test_an_identity_token_stays(login: Login, registry: FakeRegistry) -> None:
    registry.credentials, registry.identity_token = ("me", "secret"), "refresh"
    registry.ask_for_token()
    answer = await login.check_auth(Auth(identity_token="refresh", server_address=registry.host))
    assert answer["IdentityToken"] == "refresh"


async def test_a_registry_token(login: Login, registry: FakeRegistry) -> None:
    registry.ask_for_token()
    registry.tokens.add("given")
    assert await login.check_auth(Auth(registry_token="given", server_address=registry.host)) == SUCCESS


async def test_a_server_that_is_no_registry(login: Login, registry: FakeRegistry) -> None:
    registry.fail("/v2/", faults.status(404), times=2)
    with pytest.raises(
        Exception, match=f"login attempt to http://{registry.host}/v2/ failed with status: 404 Not Found"
    ):
        await login.check_auth(Auth("me", "secret", server_address=registry.host))


async def test_nobody_there(login: Login) -> None:
    with pytest.raises(Unavailable, match="connection refused"):
        await login.check_auth(Auth("me", "secret", server_address="127.0.0.1:1"))


async def test_an_address_of_another_kind(login: Login) -> None:
    with pytest.raises(InvalidParameter, match='unsupported URL scheme "ftp"'):
        await login.check_auth(Auth("me", "secret", server_address="ftp://x"))
