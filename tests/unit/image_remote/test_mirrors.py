"""Mirrors of any registry: asked in order, passed over when they fail in whatever way, told no secrets."""

import pytest

from havre.image.remote.auth import Auth
from havre.image.remote.config import HostSettings, RegistryConfig
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeImage, FakeRegistry
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import BASE, TOP, pull, words

SECRETS = Auth("me", "secret")


async def mirrored(remote: Remote, registry: FakeRegistry, *mirrors: str) -> Remote:
    """``remote``, with mirrors for ``registry``."""
    await remote.puller.close()
    hosts = {registry.host: HostSettings(mirrors)}
    return await remote.start(RegistryConfig(certificates=(), hosts=hosts))


def both(registry: FakeRegistry, other: FakeRegistry) -> FakeImage:
    other.add_image("app", "latest", BASE, TOP)
    return registry.add_image("app", "latest", BASE, TOP)


async def test_a_mirror_is_told_whose_image_is_meant(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    both(registry, other)
    remote = await mirrored(remote, registry, f"http://{other.host}")
    await pull(remote, f"{registry.host}/app", auth=SECRETS)
    assert registry.requests == []
    asked = [seen for seen in other.requests if seen.path != "/v2/"]
    assert len(asked) == 4 and all(seen.path.endswith(f"?ns={registry.host}") for seen in asked)
    assert not any("Authorization" in seen.headers for seen in other.requests)


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
async def test_a_mirror_that_refuses_is_passed_over(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry, code: int
) -> None:
    both(registry, other)
    registry.credentials = ("me", "secret")
    other.fail("/manifests/", faults.status(code, Retry_After="3600", WWW_Authenticate='Basic realm="mirror"'), 99)
    remote = await mirrored(remote, registry, f"http://{other.host}")
    messages = await pull(remote, f"{registry.host}/app", auth=SECRETS)
    assert words(messages)[-1] == f"Status: Downloaded newer image for {registry.host}/app:latest"
    assert len(other.asked("/manifests/")) <= 3 and other.asked("/blobs/") == []
    assert not any("Authorization" in seen.headers for seen in other.requests)


async def test_a_mirror_that_wants_a_token_does_not_get_the_registry_s_secrets(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    both(registry, other)
    other.credentials = ("me", "secret")
    other.ask_for_token()
    remote = await mirrored(remote, registry, f"http://{other.host}")
    await pull(remote, f"{registry.host}/app", auth=Auth("me", "secret", "identity", "bearer"))
    sent = [(seen.headers.get("Authorization"), seen.form) for seen in other.requests]
    assert other.asked("/token") and all(entry == (None, {}) for entry in sent)


async def test_the_next_is_asked_for_a_mirror_that_is_down(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    both(registry, other)
    remote = await mirrored(remote, registry, "http://127.0.0.1:1", f"http://{other.host}")
    await pull(remote, f"{registry.host}/app")
    assert registry.requests == [] and other.asked("/blobs/")


async def test_the_registry_carries_on_where_its_mirror_broke_off(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    image = both(registry, other)
    other.fail(image.layers[1], faults.cut(50))
    other.fail(image.layers[1], faults.status(502), 9)
    remote = await mirrored(remote, registry, f"http://{other.host}")
    await pull(remote, f"{registry.host}/app")
    assert [seen.headers.get("Range") for seen in registry.asked("/blobs/")] == ["bytes=50-"]


async def test_mirrors_may_change_while_the_daemon_runs(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    both(registry, other)
    hosts = {registry.host: HostSettings((f"http://{other.host}",))}
    remote.registries.reload(RegistryConfig(certificates=(), hosts=hosts))
    await pull(remote, f"{registry.host}/app")
    assert registry.requests == [] and other.asked("/manifests/")
