"""The token cache."""

import asyncio

import pytest

from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint, RegistryConfig
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.tokens import Tokens
from havre.lib.challenges import Challenge
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import Remote

ME = Auth("me", "secret")
ELSEWHERE = Endpoint("https://registry.test")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(remote: Remote, clock: Clock) -> Tokens:
    return Tokens(remote.transport, RegistryConfig(certificates=()), clock)


def challenge(registry: FakeRegistry) -> Challenge:
    return Challenge("bearer", {"realm": f"http://{registry.host}/token", "service": "fake"})


async def test_many_who_ask_at_once_share_one_token(tokens: Tokens, registry: FakeRegistry) -> None:
    asked = [tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth()) for _ in range(5)]
    assert set(await asyncio.gather(*asked)) == {"token-1"}
    assert len(registry.asked("/token")) == 1


async def test_a_token_is_replaced_before_it_expires(tokens: Tokens, registry: FakeRegistry, clock: Clock) -> None:
    assert await tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth()) == "token-1"
    clock.now += 269
    assert await tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth()) == "token-1"
    clock.now += 2
    assert await tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth()) == "token-2"


async def test_a_refused_token_is_replaced_once_for_all(tokens: Tokens, registry: FakeRegistry) -> None:
    old = await tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth())
    asked = [tokens.bearer(challenge(registry), ELSEWHERE, "s", Auth(), refused=old) for _ in range(3)]
    assert set(await asyncio.gather(*asked)) == {"token-2"}


async def test_what_has_expired_is_forgotten(tokens: Tokens, registry: FakeRegistry, clock: Clock) -> None:
    for scope in ("a", "b", "c"):
        await tokens.bearer(challenge(registry), ELSEWHERE, scope, ME)
        clock.now += 400
    assert len(tokens._kept) == 1


async def test_credentials_are_not_sent_in_the_clear_for_a_registry_with_tls(tokens: Tokens) -> None:
    plain = Challenge("bearer", {"realm": "http://tokens.test/token"})
    with pytest.raises(
        RemoteFailure, match=r"registry\.test wants the credentials sent to tokens\.test over plain HTTP"
    ):
        await tokens.bearer(plain, ELSEWHERE, "s", ME)


async def test_several_scopes(tokens: Tokens, registry: FakeRegistry) -> None:
    challenge = Challenge("bearer", {"realm": f"http://{registry.host}/token"})
    endpoint, scopes = Endpoint(f"http://{registry.host}"), "repository:a:pull,push repository:b:pull"
    await tokens.bearer(challenge, endpoint, scopes, Auth())
    registry.identity_token = "identity"
    await tokens.bearer(challenge, endpoint, scopes, Auth(identity_token="identity"))
    get, post = registry.asked("/token")
    assert get.path == "/token?scope=repository:a:pull,push&scope=repository:b:pull"
    assert post.form["scope"] == scopes


async def test_a_realm_s_own_query_is_kept(tokens: Tokens, registry: FakeRegistry) -> None:
    realm = Challenge("bearer", {"realm": f"http://{registry.host}/token?tenant=a%20b"})
    await tokens.bearer(realm, ELSEWHERE, "s", Auth())
    assert registry.asked("/token")[0].path == "/token?tenant=a+b&scope=s"
