"""Whole pulls: which messages come and what is stored, from the registry and from mirrors."""

import gzip
import json

import pytest

from havre.errors import NotFound
from havre.image.manifest import Platform, host_platform
from havre.image.remote.auth import Auth
from havre.image.remote.config import Endpoint, Place, RegistryConfig
from tests.fakes import registry as fake
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry, layer_tar
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import BASE, TOP, failing, pull, short, words

ARM = Platform(os="linux", architecture="arm64", variant="v8")


async def test_messages_and_result(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("team/app", "1.0", BASE, TOP)
    name = f"{registry.host}/team/app:1.0"
    messages = await pull(remote, name)
    base, top = map(short, image.layers)
    said = words(messages)
    assert said[:3] == ["1.0: Pulling from team/app", f"{base}: Pulling fs layer", f"{top}: Pulling fs layer"]
    assert said[-2:] == [f"Digest: {image.manifest}", f"Status: Downloaded newer image for {name}"]
    for layer in (base, top):
        assert [text for text in said if text.startswith(layer)] == [
            f"{layer}: {status}"
            for status in ("Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete")
        ]
    bars = [message for message in messages if "progress" in message]
    assert {message["status"] for message in bars} == {"Downloading", "Extracting"}
    assert all(set(message["progressDetail"]) == {"current", "total"} for message in bars)
    found = remote.images.resolve(name)
    assert found.id == image.config
    assert found.repo_tags == (name,) and found.repo_digests == (f"{registry.host}/team/app@{image.manifest}",)
    assert found.manifest is not None and found.manifest.digest == image.manifest
    assert len(remote.layers.unpacked) == 2


async def test_a_second_pull_finds_it_up_to_date(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE)
    await pull(remote, f"{registry.host}/app")
    assert words(await pull(remote, f"{registry.host}/app")) == [
        "latest: Pulling from app",
        f"Digest: {image.manifest}",
        f"Status: Image is up to date for {registry.host}/app:latest",
    ]
    assert len(registry.asked("/blobs/")) == 2
    # Registries count manifests that are fetched, not those that are asked about.
    assert [seen.method for seen in registry.asked("/manifests/")] == ["GET", "HEAD"]


@pytest.mark.parametrize("lost", ["layer", "config", "manifest"])
async def test_content_that_is_gone_comes_back(remote: Remote, registry: FakeRegistry, lost: str) -> None:
    image = registry.add_image("app", "latest", BASE, TOP)
    await pull(remote, f"{registry.host}/app")
    gone = {"layer": image.layers[1], "config": image.config, "manifest": image.manifest}[lost]
    remote.blobs.delete(gone)
    said = words(await pull(remote, f"{registry.host}/app"))
    assert said[-1].startswith("Status: Image is up to date") and f"{short(image.layers[0])}: Already exists" in said
    assert remote.blobs.exists(gone)
    assert len(registry.asked(image.layers[0])) == 1 and len(remote.layers.unpacked) == 2


async def test_a_registry_that_tells_no_digests(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "latest", BASE)
    await pull(remote, f"{registry.host}/app")
    for fault in (faults.status(405), faults.status(200), faults.status(200, Docker_Content_Digest="nonsense")):
        registry.fail("/manifests/", fault)
        assert words(await pull(remote, f"{registry.host}/app"))[-1].startswith("Status: Image is up to date")


async def test_another_tag_of_an_image_that_is_here(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "1", BASE)
    registry.manifests["app", "2"] = registry.manifests["app", "1"]
    await pull(remote, f"{registry.host}/app:1")
    said = words(await pull(remote, f"{registry.host}/app:2"))
    assert said == [
        "2: Pulling from app",
        f"Digest: {image.manifest}",
        f"Status: Downloaded newer image for {registry.host}/app:2",
    ]
    assert remote.images.resolve(f"{registry.host}/app:2").repo_tags == (
        f"{registry.host}/app:1",
        f"{registry.host}/app:2",
    )


async def test_a_digest_that_is_here_is_not_fetched(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", None, BASE)
    name = f"{registry.host}/app@{image.manifest}"
    await pull(remote, name)
    registry.requests.clear()
    assert words(await pull(remote, name))[-1] == f"Status: Image is up to date for {name}"
    assert registry.requests == []


async def test_layers_that_are_here_already_exist(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", BASE)
    second = registry.add_image("app", "2", BASE, TOP)
    await pull(remote, f"{registry.host}/app:1")
    said = words(await pull(remote, f"{registry.host}/app:2"))
    assert f"{short(second.layers[0])}: Already exists" in said
    assert len(registry.asked(second.layers[0])) == 1


async def test_the_same_layer_compressed_otherwise_is_not_fetched(remote: Remote, registry: FakeRegistry) -> None:
    first = registry.add_image("app", "1", BASE)
    await pull(remote, f"{registry.host}/app:1")
    other = gzip.compress(BASE, 1, mtime=1)
    config = json.dumps({**json.loads(registry.blobs[first.config]), "author": "other"}).encode()
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": fake.OCI_CONFIG, "digest": registry.add_blob(config), "size": len(config)},
        "layers": [{"mediaType": fake.OCI_LAYER, "digest": fake.digest(other), "size": len(other)}],
    }
    registry.add_manifest("app", "2", document)
    said = words(await pull(remote, f"{registry.host}/app:2"))
    assert f"{short(first.layers[0])}: Already exists" in said
    image = remote.images.resolve(f"{registry.host}/app:2")
    assert image.layers[0].digest == first.layers[0] and image.manifest is None


async def test_a_layer_twice_in_one_image_is_fetched_once(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "latest", BASE, TOP, BASE)
    said = words(await pull(remote, f"{registry.host}/app"))
    assert said.count(f"{short(image.layers[0])}: Pulling fs layer") == 1
    assert said.count(f"{short(image.layers[0])}: Pull complete") == 1
    assert len(registry.asked(image.layers[0])) == 1 and len(remote.layers.unpacked) == 3


async def test_a_moved_tag_is_a_newer_image(remote: Remote, registry: FakeRegistry) -> None:
    old = registry.add_image("app", "latest", BASE)
    await pull(remote, f"{registry.host}/app")
    new = registry.add_image("app", "latest", TOP)
    assert words(await pull(remote, f"{registry.host}/app"))[-1].startswith("Status: Downloaded newer image")
    assert remote.images.resolve(f"{registry.host}/app").id == new.config
    previous = remote.images.get(old.config)
    assert previous is not None and previous.repo_tags == ()


async def test_by_digest(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", None, BASE)
    name = f"{registry.host}/app@{image.manifest}"
    said = words(await pull(remote, name))
    assert said[0] == f"{name}: Pulling from app"
    assert said[-1] == f"Status: Downloaded newer image for {name}"
    found = remote.images.resolve(name)
    assert found.repo_tags == () and found.repo_digests == (name,)


async def test_with_tag_and_digest_the_digest_decides(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", "1", BASE)
    registry.add_image("app", "1", TOP)
    await pull(remote, f"{registry.host}/app:1@{image.manifest}")
    (found,) = remote.images.all()
    assert found.id == image.config and found.repo_tags == ()


async def test_an_index_gives_the_image_for_the_platform(remote: Remote, registry: FakeRegistry) -> None:
    ours = registry.add_image("app", None, BASE)
    arm = registry.add_image("app", None, TOP, config={"architecture": "arm64", "variant": "v8"})
    index = registry.add_index("app", "latest", {str(host_platform()): ours.manifest, "linux/arm64/v8": arm.manifest})
    said = words(await pull(remote, f"{registry.host}/app"))
    assert f"Digest: {index}" in said
    image = remote.images.resolve(f"{registry.host}/app")
    assert image.id == ours.config and image.repo_digests == (f"{registry.host}/app@{index}",)
    await pull(remote, f"{registry.host}/app", platform=ARM)
    assert remote.images.resolve(f"{registry.host}/app", ARM).id == arm.config


async def test_an_index_without_the_platform(remote: Remote, registry: FakeRegistry) -> None:
    image = registry.add_image("app", None, BASE)
    registry.add_index("app", "latest", {"linux/arm64/v8": image.manifest})
    error = await failing(remote, f"{registry.host}/app", platform=Platform(os="linux", architecture="s390x"))
    assert isinstance(error, NotFound)
    assert error.message == "no matching manifest for linux/s390x in the manifest list entries"


async def test_an_image_for_another_platform_comes_with_a_warning(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "latest", BASE)
    said = words(await pull(remote, f"{registry.host}/app", platform=ARM))
    assert said[-1] == (
        f"WARNING: image with reference {registry.host}/app:latest was found but its platform (linux/amd64) "
        "does not match the specified platform (linux/arm64/v8)"
    )


async def test_indexes_that_never_end(remote: Remote, registry: FakeRegistry) -> None:
    inner = registry.add_image("app", None, BASE).manifest
    for number in range(6):
        inner = registry.add_index("app", str(number), {str(host_platform()): inner})
    assert "indexes within indexes" in (await failing(remote, f"{registry.host}/app:5")).message


async def test_all_tags(remote: Remote, registry: FakeRegistry) -> None:
    for tag in ("a", "b", "c"):
        registry.add_image("app", tag, BASE, layer_tar((tag, b"")))
    registry.tag_page = 2
    said = words(await pull(remote, f"{registry.host}/app", all_tags=True))
    assert [text for text in said if "Pulling from" in text] == [f"{tag}: Pulling from app" for tag in ("a", "b", "c")]
    assert said[-1] == f"Status: Downloaded newer image for {registry.host}/app"
    assert sum(text.startswith("Digest: ") for text in said) == 3
    assert len(remote.images.all()) == 3


async def test_credentials_are_used(remote: Remote, registry: FakeRegistry) -> None:
    registry.credentials = ("me", "secret")
    registry.ask_for_token()
    registry.add_image("app", "latest", BASE, TOP)
    await pull(remote, f"{registry.host}/app", auth=Auth("me", "secret"))
    assert len(registry.asked("/token")) == 1


# -- mirrors ----------------------------------------------------------------------------------------------------------


class Hub(RegistryConfig):
    """Settings under which another server stands in for Docker Hub."""

    hub = ""

    async def places(self, domain: str, *, mirrors: bool = True) -> list[Place]:
        places = await super().places(domain, mirrors=mirrors)
        return [*places[:-1], (Endpoint(f"http://{self.hub}"),)]


@pytest.fixture
async def mirrored(remote: Remote, registry: FakeRegistry, other: FakeRegistry) -> Remote:
    """``registry`` is Docker Hub, ``other`` its mirror."""
    config = Hub(mirrors=(f"http://{other.host}/",), certificates=())
    remote.config = config
    Hub.hub = registry.host
    return await remote.restart()


async def test_a_mirror_is_asked_first_and_without_credentials(
    mirrored: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    other.add_image("library/busybox", "latest", BASE)
    other.credentials = None
    said = words(await pull(mirrored, "busybox", auth=Auth("me", "secret")))
    assert said[0] == "latest: Pulling from library/busybox"
    assert said[-1] == "Status: Downloaded newer image for busybox:latest"
    assert registry.requests == []
    assert not any("Authorization" in seen.headers for seen in other.requests)


async def test_what_a_mirror_lacks_comes_from_the_registry(
    mirrored: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    registry.add_image("library/busybox", "latest", BASE)
    await pull(mirrored, "busybox")
    assert len(other.asked("/manifests/")) == 1
    assert mirrored.images.resolve("busybox").repo_tags == ("busybox:latest",)


async def test_a_mirror_that_fails_in_the_middle_is_replaced(
    mirrored: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    for server in (registry, other):
        image = server.add_image("library/busybox", "latest", BASE, TOP)
    other.fail(image.layers[1], faults.status(404), times=9)
    await pull(mirrored, "busybox")
    assert [seen.path for seen in registry.asked("/blobs/")] == [f"/v2/library/busybox/blobs/{image.layers[1]}"]


async def test_a_mirror_that_is_gone_is_passed_over(mirrored: Remote, registry: FakeRegistry) -> None:
    registry.add_image("library/busybox", "latest", BASE)
    mirrored.config = Hub(mirrors=("http://127.0.0.1:1",), certificates=())
    again = await mirrored.restart()
    await pull(again, "busybox")
    assert again.images.resolve("busybox").repo_tags == ("busybox:latest",)


async def test_the_registry_s_word_counts_when_both_fail(mirrored: Remote, other: FakeRegistry) -> None:
    other.fail("/manifests/", faults.status(500), times=9)
    error = await failing(mirrored, "busybox:none")
    assert error.message == "manifest for busybox:none not found: manifest unknown: manifest unknown"
