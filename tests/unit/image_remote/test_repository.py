"""The distribution protocol against a registry that misbehaves: credentials, redirects, limits, errors."""

import json

import pytest

from havre.image.remote import repository as repositories
from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Repository
from tests.fakes import registry as fake
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import Remote

ME = Auth("me", "secret")


async def opened(remote: Remote, registry: FakeRegistry, auth: Auth | None = None, path: str = "a/b") -> Repository:
    (place,) = await remote.config.places(registry.host)
    return await remote.registries.open(place, path, auth)


async def test_a_plain_registry_on_the_loopback_is_found_by_http(remote: Remote, registry: FakeRegistry) -> None:
    assert (await opened(remote, registry)).endpoint.url == f"http://{registry.host}"


async def test_a_manifest_comes_as_it_is(remote: Remote, registry: FakeRegistry) -> None:
    digest = registry.add_manifest("a/b", "latest", b'{ "schemaVersion": 2 }', fake.OCI_INDEX)
    repository = await opened(remote, registry)
    assert await repository.manifest("latest") == (b'{ "schemaVersion": 2 }', fake.OCI_INDEX)
    assert await repository.manifest(digest) == (b'{ "schemaVersion": 2 }', fake.OCI_INDEX)
    asked = registry.asked("/manifests/")[0].headers
    assert fake.OCI_INDEX in asked["Accept"] and "manifest.v2+json" in asked["Accept"]
    assert asked["Accept-Encoding"] == "identity"


async def test_a_manifest_by_digest_is_verified(remote: Remote, registry: FakeRegistry) -> None:
    digest = registry.add_manifest("a/b", None, b'{"schemaVersion": 2}')
    registry.fail("/manifests/", faults.corrupt())
    with pytest.raises(RemoteFailure, match=f"manifest verification failed for digest {digest}"):
        await (await opened(remote, registry)).manifest(digest)


async def test_a_manifest_has_a_largest_size(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_manifest("a/b", "huge", b" " * (4 << 20) + b"{}")
    with pytest.raises(RemoteFailure, match=r"manifest of 127\.0\.0\.1 is larger than 4194304 bytes"):
        await (await opened(remote, registry)).manifest("huge")


async def test_what_is_missing_is_not_asked_for_twice(remote: Remote, registry: FakeRegistry) -> None:
    with pytest.raises(RemoteFailure) as caught:
        await (await opened(remote, registry)).manifest("none")
    assert (caught.value.code, caught.value.text) == ("manifest unknown", "manifest unknown: manifest unknown")
    assert len(registry.asked("/manifests/")) == 1


@pytest.mark.parametrize("fault", [faults.status(500), faults.status(503), faults.cut(0), faults.status(429)])
async def test_what_may_pass_is_tried_again(remote: Remote, registry: FakeRegistry, fault: fake.Fault) -> None:
    registry.add_manifest("a/b", "latest", b"{}")
    registry.fail("/manifests/", fault, times=2)
    assert (await (await opened(remote, registry)).manifest("latest"))[0] == b"{}"
    assert len(registry.asked("/manifests/")) >= 3


async def test_a_registry_may_ask_for_patience_within_bounds(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_manifest("a/b", "latest", b"{}")
    repository = await opened(remote, registry)
    registry.fail("/manifests/", faults.status(429, Retry_After="0"))
    assert (await repository.manifest("latest"))[0] == b"{}"
    registry.fail("/manifests/", faults.refuse(429, "TOOMANYREQUESTS", "pull rate limit reached", Retry_After="86400"))
    with pytest.raises(RemoteFailure, match=r"^toomanyrequests: pull rate limit reached$"):
        await repository.manifest("latest")
    assert len(registry.asked("/manifests/")) == 3


async def test_patience_may_be_asked_for_until_a_date_of_the_registry_s_clock(
    remote: Remote, registry: FakeRegistry
) -> None:
    registry.add_manifest("a/b", "latest", b"{}")
    repository = await opened(remote, registry)
    date, soon, late = (f"Wed, 21 Oct 2015 {time} GMT" for time in ("07:28:00", "07:28:01", "09:28:00"))
    registry.fail("/manifests/", faults.status(503, Date=date, Retry_After=soon))
    registry.fail("/manifests/", faults.status(503, Date=date, Retry_After="nonsense"))
    assert (await repository.manifest("latest"))[0] == b"{}"
    registry.fail("/manifests/", faults.status(503, Date=date, Retry_After=late))
    with pytest.raises(RemoteFailure, match="503"):
        await repository.manifest("latest")
    assert len(registry.asked("/manifests/")) == 4


# -- credentials ------------------------------------------------------------------------------------------------------


async def test_basic_credentials_are_sent_when_asked_for(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    registry.add_manifest("a/b", "latest", b"{}")
    assert (await (await opened(remote, registry, ME)).manifest("latest"))[0] == b"{}"


async def test_credentials_nobody_asks_for_are_kept(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_manifest("a/b", "latest", b"{}")
    await (await opened(remote, registry, ME)).manifest("latest")
    assert not any("Authorization" in seen.headers for seen in registry.requests)


async def test_without_basic_credentials_docker_s_words(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    with pytest.raises(RemoteFailure, match="no basic auth credentials") as caught:
        await (await opened(remote, registry)).manifest("latest")
    assert caught.value.status == 401


async def test_wrong_basic_credentials_are_sent_once(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    with pytest.raises(RemoteFailure, match="unauthorized: authentication required"):
        await (await opened(remote, registry, Auth("me", "wrong"))).manifest("latest")
    assert len(registry.asked("/manifests/")) == 1


async def test_one_token_serves_all_requests(remote: Remote, registry: FakeRegistry) -> None:
    registry.ask_for_token()
    registry.add_manifest("a/b", "latest", b"{}")
    repository = await opened(remote, registry)
    for _ in range(3):
        await repository.manifest("latest")
    await (await opened(remote, registry)).manifest("latest")
    (asked,) = registry.asked("/token")
    assert asked.path == "/token?service=fake&scope=repository:a/b:pull"
    assert "Authorization" not in asked.headers


async def test_another_user_gets_another_token(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    registry.ask_for_token()
    registry.add_manifest("a/b", "latest", b"{}")
    await (await opened(remote, registry, ME)).manifest("latest")
    with pytest.raises(RemoteFailure, match="unauthorized: incorrect username or password"):
        await (await opened(remote, registry, Auth("me", "wrong"))).manifest("latest")
    with pytest.raises(RemoteFailure, match="unauthorized"):
        await (await opened(remote, registry)).manifest("latest")
    assert "account=me" in registry.asked("/token")[0].path


async def test_a_token_that_is_refused_is_replaced_once(remote: Remote, registry: FakeRegistry) -> None:
    registry.ask_for_token()
    registry.add_manifest("a/b", "latest", b"{}")
    repository = await opened(remote, registry)
    await repository.manifest("latest")
    registry.tokens.clear()
    await repository.manifest("latest")
    assert len(registry.asked("/token")) == 2
    challenge = f'Bearer realm="{registry.token_realm}"'
    registry.fail("/manifests/", faults.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=challenge), 9)
    with pytest.raises(RemoteFailure, match="unauthorized: no"):
        await repository.manifest("latest")


async def test_an_identity_token_is_exchanged(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    registry.identity_token = "refresh"
    registry.ask_for_token()
    registry.add_manifest("a/b", "latest", b"{}")
    await (await opened(remote, registry, Auth(identity_token="refresh"))).manifest("latest")
    (asked,) = registry.asked("/token")
    assert asked.form == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh",
        "service": "fake",
        "client_id": "docker",
        "scope": "repository:a/b:pull",
    }


async def test_a_registry_token_is_used_as_it_is(remote: Remote, registry: FakeRegistry) -> None:
    registry.ask_for_token()
    registry.tokens.add("given")
    registry.add_manifest("a/b", "latest", b"{}")
    await (await opened(remote, registry, Auth(registry_token="given"))).manifest("latest")
    assert registry.asked("/token") == []


async def test_a_scope_that_is_refused_is_docker_s_access_denied(remote: Remote, registry: FakeRegistry) -> None:
    registry.ask_for_token()
    challenge = f'Bearer realm="{registry.token_realm}",error="insufficient_scope"'
    registry.fail("/manifests/", faults.refuse(401, "UNAUTHORIZED", "who are you", WWW_Authenticate=challenge), 9)
    with pytest.raises(RemoteFailure) as caught:
        await (await opened(remote, registry)).manifest("latest")
    assert caught.value.text == "denied: requested access to the resource is denied"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"{}", "did not include a token"),
        (b'{"token": "a\\nb"}', "did not include a token"),
        (b"[1]", "unable to decode token response"),
        (b'{"token": "' + b"x" * (1 << 20) + b'"}', "larger than"),
    ],
)
async def test_token_servers_may_answer_nonsense(
    remote: Remote, registry: FakeRegistry, answer: bytes, text: str
) -> None:
    registry.ask_for_token()
    registry.fail("/token", faults.replace_body(lambda _: answer))
    with pytest.raises(RemoteFailure, match=text):
        await (await opened(remote, registry)).manifest("latest")


@pytest.mark.parametrize("realm", ["", "ftp://x/token", "/token", "http://"])
async def test_a_realm_must_be_an_address(remote: Remote, registry: FakeRegistry, realm: str) -> None:
    registry.token_realm = realm
    with pytest.raises(RemoteFailure, match="realm"):
        await (await opened(remote, registry)).manifest("latest")


# -- redirects --------------------------------------------------------------------------------------------------------


async def read(repository: Repository, digest: str, offset: int = 0) -> tuple[int, bytes]:
    async with repository.blob(digest, offset) as response:
        return response.status, await response.read()


async def test_credentials_do_not_follow_to_another_host(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    registry.credentials = ("me", "secret")
    digest = other.add_blob(b"layer")
    registry.fail("/blobs/", faults.redirect(f"http://{other.host}{{path}}?X-Signature=a%2Fb%3D"), times=2)
    repository = await opened(remote, registry, ME)
    assert await read(repository, digest) == (200, b"layer")
    assert await read(repository, digest, 2) == (206, b"yer")
    assert "Authorization" in registry.asked("/blobs/")[0].headers
    for seen in other.requests:
        assert "Authorization" not in seen.headers
        assert seen.path.endswith("?X-Signature=a%2Fb%3D"), "a signed address must not be quoted anew"
    assert other.requests[1].headers["Range"] == "bytes=2-"


async def test_credentials_stay_within_the_host(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    digest = registry.add_blob(b"layer")
    registry.fail("/first/", faults.redirect(f"/v2/a/b/blobs/{digest}"))
    repository = await opened(remote, registry, ME, path="first")
    assert await read(repository, digest) == (200, b"layer")


async def test_credentials_do_not_come_back(remote: Remote, registry: FakeRegistry, other: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    digest = registry.add_blob(b"layer")
    registry.fail("/blobs/", faults.redirect(f"http://{other.host}{{path}}"))
    other.fail("/blobs/", faults.redirect(f"http://{registry.host}{{path}}"))
    with pytest.raises(RemoteFailure, match="unauthorized"):
        await read(await opened(remote, registry, ME), digest)


@pytest.mark.parametrize("location", ["", "ftp://x/y", "file:///etc/shadow", "http://[x"])
async def test_a_redirect_must_lead_to_an_address(remote: Remote, registry: FakeRegistry, location: str) -> None:
    registry.fail("/blobs/", faults.redirect(location))
    with pytest.raises(RemoteFailure, match="redirects to"):
        await read(await opened(remote, registry), fake.digest(b""))


async def test_addresses_do_not_say_who_we_are(remote: Remote, registry: FakeRegistry, other: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    registry.fail("/blobs/", faults.redirect(f"http://root:root@{other.host}{{path}}"))
    with pytest.raises(RemoteFailure, match="credentials in an address"):
        await read(await opened(remote, registry, ME), fake.digest(b""))
    registry.credentials, registry.token_realm = None, f"http://root:root@{other.host}/token"
    with pytest.raises(RemoteFailure, match="credentials in an address"):
        await (await opened(remote, registry, ME)).manifest("latest")
    assert other.requests == []


async def test_redirects_end(remote: Remote, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.redirect("{path}"), times=99)
    with pytest.raises(RemoteFailure, match="stopped after 10 redirects"):
        await read(await opened(remote, registry), fake.digest(b""))
    assert len(registry.asked("/blobs/")) == 11


# -- tags -------------------------------------------------------------------------------------------------------------


async def test_tags_come_in_pages(remote: Remote, registry: FakeRegistry) -> None:
    tags = [f"v{number}" for number in range(10, 35)]
    for tag in tags:
        registry.add_manifest("a/b", tag, tag.encode())
    registry.tag_page = 10
    assert await (await opened(remote, registry)).tags() == tags
    assert len(registry.asked("/tags/list")) == 3


async def test_tags_of_nothing(remote: Remote, registry: FakeRegistry) -> None:
    with pytest.raises(RemoteFailure, match=r"^name unknown: repository name not known to registry$"):
        await (await opened(remote, registry)).tags()


async def test_a_page_that_follows_itself_ends_the_list(remote: Remote, registry: FakeRegistry) -> None:
    async def fault(request: object, answer: object) -> fake.web.StreamResponse:
        return fake.web.json_response({"tags": ["a"]}, headers={"Link": '</v2/a/b/tags/list?n=1000>; rel="next"'})

    registry.fail("/tags/", fault, times=99)
    assert await (await opened(remote, registry)).tags() == ["a"]


async def test_pages_without_end_end(remote: Remote, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fault(request: object, answer: object) -> fake.web.StreamResponse:
        following = f"</v2/a/b/tags/list?page={len(registry.requests)}>"
        return fake.web.json_response({"tags": []}, headers={"Link": f'{following}; rel="next"'})

    monkeypatch.setattr(repositories, "MOST_PAGES", 20)
    registry.fail("/tags/", fault, times=10_000)
    assert await (await opened(remote, registry)).tags() == []
    assert len(registry.asked("/tags/list")) == 20


async def test_pages_stay_at_their_host(remote: Remote, registry: FakeRegistry, other: FakeRegistry) -> None:
    async def fault(request: object, answer: object) -> fake.web.StreamResponse:
        return fake.web.json_response({"tags": ["a"]}, headers={"Link": f'<http://{other.host}/x>; rel="next"'})

    registry.fail("/tags/", fault)
    with pytest.raises(RemoteFailure, match="at another host"):
        await (await opened(remote, registry)).tags()
    assert other.requests == []


# -- no registry there ------------------------------------------------------------------------------------------------


async def test_a_connection_that_breaks_off_is_made_once_more(remote: Remote, registry: FakeRegistry) -> None:
    (place,) = await remote.config.places(registry.host)
    registry.fail("/v2/", faults.cut(0))
    endpoint, _ = await remote.registries.reach(place)
    assert endpoint.url == f"http://{registry.host}" and len(registry.requests) == 2
    registry.fail("/v2/", faults.cut(0), 9)
    with pytest.raises(RemoteFailure, match=r"EOF|reset by peer"):
        await remote.registries.reach(place)
    # On a connection that was kept, aiohttp asks once more by itself.
    assert 4 <= len(registry.requests) <= 6


async def test_nobody_listens(remote: Remote) -> None:
    (place,) = await remote.config.places("127.0.0.1:1")
    with pytest.raises(RemoteFailure) as caught:
        await remote.registries.open(place, "x", None)
    assert caught.value.text == ('Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused')


async def test_a_registry_that_must_have_tls_and_has_none(remote: Remote, registry: FakeRegistry) -> None:
    with pytest.raises(RemoteFailure) as caught:
        await remote.registries.open((Endpoint(f"https://{registry.host}"),), "x", None)
    assert caught.value.text == f'Get "https://{registry.host}/v2/": http: server gave HTTP response to HTTPS client'


async def test_error_bodies_of_any_kind(remote: Remote, registry: FakeRegistry) -> None:
    repository = await opened(remote, registry)
    for body, text in (
        (b"<html>" + b"x" * 1_000_000, "received unexpected HTTP status: 418 I'm a Teapot: <html>xxx"),
        (b"", "received unexpected HTTP status: 418 I'm a Teapot"),
        (json.dumps({"errors": []}).encode(), "received unexpected HTTP status: 418"),
        (json.dumps({"errors": [{"code": "DENIED"}]}).encode(), "denied: denied"),
        (b'{"errors": 7}', "received unexpected HTTP status: 418"),
    ):

        async def fault(request: object, answer: object, body: bytes = body) -> fake.web.StreamResponse:
            return fake.web.Response(status=418, body=body)

        registry.fail("/manifests/", fault)
        with pytest.raises(RemoteFailure) as caught:
            await repository.manifest("latest")
        assert caught.value.text.startswith(text)
        assert len(caught.value.text) < 300
