"""Pushes: what goes where, what is said meanwhile, and what is done about what breaks."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from havre.errors import Conflict, HavreError, NotFound
from havre.image import digest as digests
from havre.image.manifest import OCI_LAYER, Descriptor, host_platform, parse_platform
from havre.image.remote.auth import Auth
from havre.lib.references import parse
from tests.fakes.registry import FakeRegistry, layer_tar, serving
from tests.fakes.registry_faults import refuse, status
from tests.fakes.writable_registry import WritableRegistry
from tests.unit.image.conftest import config
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import BASE, TOP, pull, short, words
from tests.unit.image_remote.test_platforms import ARM, publish, stored

BIG = layer_tar(("big", os.urandom(9_000_000)))


@pytest.fixture
async def target() -> AsyncIterator[WritableRegistry]:
    async with serving(kind=WritableRegistry) as server:
        yield server


async def push(remote: Remote, text: str, **options: Any) -> list[dict[str, Any]]:
    """All messages of a push of ``text``."""
    return [message async for message in remote.pusher.push(parse(text, None), **options)]


def told(messages: list[dict[str, Any]]) -> list[str]:
    """What people see, without bars."""
    return words([message for message in messages if "aux" not in message])


async def failing(remote: Remote, text: str, **options: Any) -> HavreError:
    with pytest.raises(HavreError) as caught:
        await push(remote, text, **options)
    return caught.value


async def call(remote: Remote, old: str, new: str) -> None:
    await remote.images.tag(remote.images.resolve(old).id, parse(new), remote.images.target(old))


async def commit(remote: Remote, name: str, *layers: bytes) -> str:
    """An image as a commit makes it: plain layers, no manifest. Returns its id."""
    kept = []
    for layer in layers:
        await remote.blobs.add(layer)
        kept.append(Descriptor(media_type=OCI_LAYER, digest=digests.of(layer), size=len(layer)))
    image_id = await remote.blobs.add(config(layers))
    await remote.images.add(image_id, kept, None, [parse(name)])
    return image_id


async def test_a_pulled_image_goes_on_as_it_came(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    image = registry.add_image("app", "1", BASE, TOP)
    await pull(remote, f"{registry.host}/app:1")
    await call(remote, f"{registry.host}/app:1", f"{target.host}/team/app:1")
    size = len(registry.manifests["app", "1"][0])
    first, second = (short(diff_id) for diff_id in image.diff_ids)
    messages = await push(remote, f"{target.host}/team/app:1")
    assert told(messages[:3]) == [
        f"The push refers to repository [{target.host}/team/app]",
        f"{first}: Preparing",
        f"{second}: Preparing",
    ]
    assert sorted(told(messages[3:-1])) == sorted(
        [f"{first}: Pushed", f"{second}: Pushed", f"1: digest: {image.manifest} size: {size}"]
    )
    assert messages[-1] == {"progressDetail": {}, "aux": {"Tag": "1", "Digest": image.manifest, "Size": size}}
    assert target.manifests["team/app", "1"] == registry.manifests["app", "1"]
    assert target.blobs == registry.blobs
    names = remote.images.resolve(image.config).repo_digests
    assert f"{target.host}/team/app@{image.manifest}" in names
    again = told(await push(remote, f"{target.host}/team/app:1"))
    assert f"{first}: Layer already exists" in again and f"{second}: Layer already exists" in again


async def test_an_index_that_is_here_in_full_goes_whole(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    index, _, _ = publish(registry)
    name = f"{target.host}/team/app:1"
    await pull(remote, f"{registry.host}/app")
    await pull(remote, f"{registry.host}/app", platform=ARM)
    await call(remote, f"{registry.host}/app", name)
    messages = await push(remote, name)
    assert messages[-1]["aux"]["Digest"] == index
    assert target.manifests["team/app", "1"] == registry.manifests["app", "latest"]
    assert target.blobs == registry.blobs
    assert len([key for key in target.manifests if key[1].startswith("sha256:")]) == 4
    # One of its platforms alone:
    messages = await push(remote, name, platform=ARM)
    assert messages[-1]["aux"]["Digest"] != index and "aux" not in messages[-2]
    pushed = target.manifests["team/app", "1"]
    assert digests.of(pushed[0]) == messages[-1]["aux"]["Digest"]


async def test_of_an_index_that_is_here_in_part_its_platform_goes(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    index, _, _ = publish(registry)
    name = f"{target.host}/app:latest"
    await pull(remote, f"{registry.host}/app", platform=ARM)
    await call(remote, f"{registry.host}/app", name)
    messages = await push(remote, name)
    note = messages[-2]["aux"]
    assert note["manifestPushedInsteadOfIndex"] and note["originalIndex"]["digest"] == index
    assert note["selectedManifest"]["digest"] == messages[-1]["aux"]["Digest"]
    with pytest.raises(NotFound, match="does not match the specified platform"):
        await push(remote, name, platform=parse_platform("linux/riscv64"))


async def test_several_platforms_but_none_of_this_host(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    images = {
        text: registry.add_image("app", None, BASE, config={"architecture": text.split("/")[1]})
        for text in ("linux/s390x", "linux/ppc64le", str(host_platform()))
    }
    registry.add_index("app", "1", {text: image.manifest for text, image in images.items()})
    for text in ("linux/s390x", "linux/ppc64le"):
        await pull(remote, f"{registry.host}/app:1", platform=parse_platform(text))
    await call(remote, f"{registry.host}/app:1", f"{target.host}/app:1")
    with pytest.raises(Conflict, match="multiple matching manifests found but no specific platform requested"):
        await push(remote, f"{target.host}/app:1")


async def test_what_the_registry_has_elsewhere_is_taken_from_there(remote: Remote, target: WritableRegistry) -> None:
    image = target.add_image("base", "1", BASE)
    target.members |= {("base", digest) for digest in (*image.layers, image.config)}
    await pull(remote, f"{target.host}/base:1")
    await call(remote, f"{target.host}/base:1", f"{target.host}/mine/app:1")
    said = told(await push(remote, f"{target.host}/mine/app:1"))
    assert f"{short(image.diff_ids[0])}: Mounted from base" in said
    assert target.received == 0
    # What has gone there since is uploaded.
    target.members.clear()
    said = told(await push(remote, f"{target.host}/mine/app:1"))
    assert f"{short(image.diff_ids[0])}: Pushed" in said


async def test_a_mount_that_is_refused_is_an_upload(remote: Remote, target: WritableRegistry) -> None:
    image = target.add_image("base", "1", BASE)
    await pull(remote, f"{target.host}/base:1")
    await call(remote, f"{target.host}/base:1", f"{target.host}/mine/app:1")
    target.refuse_mounts = True
    assert f"{short(image.diff_ids[0])}: Pushed" in told(await push(remote, f"{target.host}/mine/app:1"))


async def test_tokens_are_asked_for_what_a_push_needs(remote: Remote, target: WritableRegistry) -> None:
    target.add_image("base", "1", BASE)
    target.ask_for_token()
    await pull(remote, f"{target.host}/base:1")
    await call(remote, f"{target.host}/base:1", f"{target.host}/mine/app:1")
    await push(remote, f"{target.host}/mine/app:1")
    asked = target.asked("/token")[-1].path
    assert "scope=repository:mine/app:pull,push" in asked and "scope=repository:base:pull" in asked


async def test_what_was_committed_has_one_digest_for_good(remote: Remote, target: WritableRegistry) -> None:
    remote.layers.unpacked += digests.chain_ids([digests.of(BASE), digests.of(BIG)])
    name = f"{target.host}/mine:1"
    image_id = await commit(remote, name, BASE, BIG)
    first = (await push(remote, name))[-1]["aux"]
    layers = [digest for digest in target.blobs if digest != image_id]
    assert all(target.blobs[digest][:2] == b"\x1f\x8b" for digest in layers)
    await remote.images.prune_content()
    assert set(layers) <= stored(remote)
    unpacked = remote.layers.unpacked
    remote = await remote.restart()
    remote.layers.unpacked = unpacked
    await remote.images.start()
    await remote.images.tag(image_id, parse(f"{target.host}/other:1"))
    assert (await push(remote, f"{target.host}/other:1"))[-1]["aux"]["Digest"] == first["Digest"]
    # Compressed anew, it is the same too.
    for digest in layers:
        remote.blobs.delete(digest)
    target.members.clear()
    target.blobs.clear()
    await remote.images.tag(image_id, parse(f"{target.host}/third:1"))
    assert (await push(remote, f"{target.host}/third:1"))[-1]["aux"]["Digest"] == first["Digest"]
    await remote.images.delete(image_id)
    assert stored(remote) == set()


async def test_all_tags(remote: Remote, registry: FakeRegistry, target: WritableRegistry) -> None:
    registry.add_image("app", "1", BASE)
    await pull(remote, f"{registry.host}/app:1")
    for tag in ("a", "b"):
        await call(remote, f"{registry.host}/app:1", f"{target.host}/app:{tag}")
    gone: list[str] = []
    await push(remote, f"{target.host}/app", pushed=lambda name: gone.append(name.tag or ""))
    assert gone == ["a", "b"] and {"a", "b"} <= {name for _, name in target.manifests}


async def test_names_that_are_not_there(remote: Remote, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", BASE)
    await pull(remote, f"{registry.host}/app:1")
    error = await failing(remote, "nothing:1")
    assert error.message == "An image does not exist locally with the tag: nothing"
    error = await failing(remote, f"{registry.host}/app:2")
    assert error.message == f"tag does not exist: {registry.host}/app:2"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (403, "DENIED", "denied: requested access to the resource is denied"),
        (401, "UNAUTHORIZED", "unauthorized: authentication required"),
        (429, "TOOMANYREQUESTS", "toomanyrequests: come back later"),
        (500, "UNKNOWN", "unknown: unknown error"),
    ],
)
async def test_refusals(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry, code: int, error: str, message: str
) -> None:
    registry.add_image("app", "1", BASE)
    await pull(remote, f"{registry.host}/app:1")
    await call(remote, f"{registry.host}/app:1", f"{target.host}/app:1")
    target.fail("/blobs/uploads/", refuse(code, error, message.partition(": ")[2]), 1000)
    assert (await failing(remote, f"{target.host}/app:1")).message == message


async def test_without_credentials(remote: Remote, registry: FakeRegistry, target: WritableRegistry) -> None:
    registry.add_image("app", "1", BASE)
    await pull(remote, f"{registry.host}/app:1")
    await call(remote, f"{registry.host}/app:1", f"{target.host}/app:1")
    target.credentials = ("me", "secret")
    assert (await failing(remote, f"{target.host}/app:1")).message.endswith("no basic auth credentials")
    await push(remote, f"{target.host}/app:1", auth=Auth(username="me", password="secret"))
    assert ("app", "1") in target.manifests


async def test_a_registry_that_fails_a_little_is_asked_again(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    registry.add_image("app", "1", BASE, TOP)
    await pull(remote, f"{registry.host}/app:1")
    await call(remote, f"{registry.host}/app:1", f"{target.host}/app:1")
    for word in ("/blobs/sha256", "/blobs/uploads/", "/blobs/uploads/session", "/manifests/"):
        target.fail(word, status(503), 2)
    await push(remote, f"{target.host}/app:1")
    assert target.manifests["app", "1"] == registry.manifests["app", "1"]
