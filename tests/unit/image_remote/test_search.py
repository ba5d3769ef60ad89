"""Searching a registry: what is asked, with which credentials, and what its answers mean."""

import pytest

from havre.image.remote import search
from havre.image.remote.auth import Auth
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.search import Result, Search
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import Remote

FOUND = {"name": "app", "description": None, "star_count": 3, "is_official": True, "is_automated": True}


@pytest.fixture
def finder(remote: Remote) -> Search:
    return Search(remote.transport, remote.registries, remote.tokens)


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("app", ("docker.io", "app")),
        ("library/app", ("docker.io", "app")),
        ("me/app", ("docker.io", "me/app")),
        ("quay.test/me/app", ("quay.test", "me/app")),
        ("localhost/library/app", ("localhost", "library/app")),
        ("r:5000/", ("r:5000", "")),
    ],
)
def test_terms(term: str, parts: tuple[str, str]) -> None:
    assert search.split(term) == parts


async def test_what_is_found(finder: Search, registry: FakeRegistry) -> None:
    registry.found = [FOUND, {"name": "other"}]
    registry.credentials = ("me", "secret")
    results = await finder.find(registry.host, "a b&c", 7, Auth("me", "secret"))
    assert results == [Result("app", None, 3, True), Result("other")]
    assert registry.requests[-1].path == "/v1/search?q=a+b%26c&n=7"
    assert len(await finder.find(registry.host, "a", 1, Auth("me", "secret"))) == 1


async def test_a_registry_that_wants_a_token(finder: Search, registry: FakeRegistry) -> None:
    registry.found = [FOUND]
    registry.identity_token = "identity"
    registry.ask_for_token()
    assert len(await finder.find(registry.host, "app", 25, Auth(identity_token="identity"))) == 1
    assert registry.asked("/token")[0].form["scope"] == "registry:catalog:search"


async def test_a_registry_that_cannot_search(finder: Search, registry: FakeRegistry) -> None:
    registry.fail("/v1/", faults.status(404))
    with pytest.raises(RemoteFailure, match="Unexpected status code 404"):
        await finder.find(registry.host, "app", 25, None)
    registry.fail("/v1/", faults.replace_body(lambda body: b"[nonsense"))
    with pytest.raises(RemoteFailure, match="error decoding registry search results"):
        await finder.find(registry.host, "app", 25, None)


async def test_a_failure_that_passes(finder: Search, registry: FakeRegistry) -> None:
    registry.found = [FOUND]
    registry.fail("/v1/", faults.status(503))
    assert len(await finder.find(registry.host, "app", 25, None)) == 1
