"""Pulls that cannot succeed, or are left in the middle: what is said, and what stays."""

import asyncio
from typing import Any

import pytest

from havre.errors import Forbidden, InvalidParameter, NotFound, SystemFault, Unavailable, Unsupported
from havre.image.remote.config import RegistryConfig
from havre.lib.references import parse
from tests.fakes import registry as fake
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import BASE, TOP, failing, pull


async def test_errors_of_finding_come_before_the_first_message(remote: Remote, registry: FakeRegistry) -> None:
    iterator = remote.puller.pull(parse(f"{registry.host}/app:none"))
    with pytest.raises(NotFound, match=f"manifest for {registry.host}/app:none not found: manifest unknown"):
        await anext(aiter(iterator))


async def test_access_denied(remote: Remote, registry: FakeRegistry) -> None:
    registry.fail("/manifests/", faults.refuse(403, "DENIED", "requested access to the resource is denied"))
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, NotFound)
    assert error.message == (
        f"pull access denied for {registry.host}/app, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied"
    )


async def test_no_credentials(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, Forbidden) and "no basic auth credentials" in error.message


async def test_nobody_there(remote: Remote) -> None:
    error = await failing(remote, "127.0.0.1:1/app")
    assert isinstance(error, Unavailable) and "connection refused" in error.message


async def test_scratch_is_no_image(remote: Remote) -> None:
    assert (await failing(remote, "scratch")).message == "'scratch' is a reserved name"


async def test_more_layers_than_can_be_mounted(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "latest", *[BASE] * 128)
    assert (await failing(remote, f"{registry.host}/app")).message == "max depth exceeded"
    assert registry.asked("/blobs/") == []


@pytest.mark.parametrize("kind", ["prettyjws", "json"])
async def test_schema_1(remote: Remote, registry: FakeRegistry, kind: str) -> None:
    body = {"schemaVersion": 1, "name": "app", "fsLayers": [], "history": []}
    registry.add_manifest("app", "latest", body, f"application/vnd.docker.distribution.manifest.v1+{kind}")
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, InvalidParameter)
    assert "schema 1 support has been removed" in error.message and f"{registry.host}/app:latest" in error.message


async def test_foreign_layers(remote: Remote, registry: FakeRegistry) -> None:
    layer = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": fake.digest(b"x"),
        "size": 1,
        "urls": [f"http://{registry.host}/elsewhere"],
    }
    registry.add_image("app", "latest", BASE, manifest={"layers": [layer]})
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, Unsupported) and "is a foreign layer" in error.message
    assert registry.asked("/elsewhere") == []


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (
            {
                "config": {
                    "mediaType": "application/vnd.cncf.helm.config.v1+json",
                    "digest": fake.digest(b""),
                    "size": 0,
                }
            },
            "unsupported media type application/vnd.cncf.helm.config.v1+json",
        ),
        (
            {"layers": [{"mediaType": "text/plain", "digest": fake.digest(b""), "size": 0}]},
            "unsupported media type text/plain",
        ),
        ({"layers": [{"mediaType": fake.OCI_LAYER, "digest": "sha256:../../etc", "size": 0}]}, "invalid digest"),
        ({"layers": [{"mediaType": fake.OCI_LAYER, "digest": fake.digest(b""), "size": -1}]}, "negative size"),
        ({"layers": []}, "layers from manifest don't match image configuration"),
        ({"layers": 7}, "invalid manifest"),
    ],
)
async def test_manifests_that_are_no_images(
    remote: Remote, registry: FakeRegistry, manifest: dict[str, Any], text: str
) -> None:
    registry.add_image("app", "latest", BASE, manifest=manifest)
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, InvalidParameter) and text in error.message


async def test_an_image_for_another_system(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "latest", BASE, config={"os": "windows"})
    error = await failing(remote, f"{registry.host}/app")
    assert error.message == 'image operating system "windows" cannot be used on this platform'


async def test_a_configuration_that_was_changed(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE)
    registry.fail(image.config, faults.corrupt(), times=9)
    error = await failing(remote, f"{registry.host}/app")
    assert error.message == (
        f"error pulling image configuration: image config verification failed for digest {image.config}"
    )


async def test_a_layer_that_was_changed_is_never_unpacked(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE, TOP)
    registry.fail(image.layers[1], faults.corrupt(), times=9)
    error = await failing(remote, f"{registry.host}/app")
    assert isinstance(error, SystemFault)
    assert error.message == f"filesystem layer verification failed for digest {image.layers[1]}"
    assert remote.images.all() == [] and len(remote.layers.unpacked) <= 1


async def test_a_layer_that_is_not_what_the_configuration_says(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "latest", BASE, config={"rootfs": {"type": "layers", "diff_ids": [fake.digest(TOP)]}})
    error = await failing(remote, f"{registry.host}/app")
    assert "but the image names it" in error.message
    assert remote.images.all() == []


async def test_a_pull_that_failed_goes_on_from_what_is_here(remote: Remote, registry: FakeRegistry) -> None:
    remote.config = RegistryConfig(certificates=(), downloads=1)
    remote = await remote.restart()
    image = registry.add_image("app", "latest", BASE, TOP)
    registry.fail(image.layers[1], faults.status(404))
    await failing(remote, f"{registry.host}/app")
    registry.requests.clear()
    await pull(await remote.restart(), f"{registry.host}/app")
    assert registry.asked(image.layers[0]) == []


# -- leaving ----------------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_stops_the_pull(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE)
    release = asyncio.Event()
    registry.fail(image.layers[0], faults.hold(release, 10))
    messages = remote.puller.pull(parse(f"{registry.host}/app"))
    async for message in messages:
        if message["status"] == "Downloading":
            break
    await messages.aclose()  # type: ignore[attr-defined]
    assert len(remote.puller._pulls._tasks) == 0
    assert remote.images.all() == []
    await pull(remote, f"{registry.host}/app")
    assert remote.images.resolve(f"{registry.host}/app").id == image.config


async def test_a_daemon_that_ends_tells_the_client(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE)
    registry.fail(image.layers[0], faults.hold(asyncio.Event(), 10))
    messages = aiter(remote.puller.pull(parse(f"{registry.host}/app")))
    await anext(messages)
    await remote.puller.close()
    with pytest.raises(SystemFault, match="was cancelled"):
        while True:
            await anext(messages)


async def test_two_pulls_of_one_image_at_once(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE, TOP)
    registry.fail(image.layers[0], faults.slow(20, 0.01))
    await asyncio.gather(*(pull(remote, f"{registry.host}/app") for _ in range(3)))
    assert [len(registry.asked(layer)) for layer in image.layers] == [1, 1]
    assert len(remote.images.all()) == 1
