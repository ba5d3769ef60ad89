"""One name, several platforms: what a pull of each keeps, and what goes with it."""

import json
from pathlib import Path

import pytest

from havre.errors import NotFound
from havre.image.manifest import host_platform, parse_platform
from havre.lib.references import parse
from tests.fakes.registry import OCI_INDEX, OCI_MANIFEST, FakeRegistry
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import BASE, TOP, pull, words

HOST = str(host_platform())
ARM = parse_platform("linux/arm64/v8")
RISCV = parse_platform("linux/riscv64")


def publish(registry: FakeRegistry, tag: str = "latest") -> tuple[str, str, str]:
    """An index for this host and ARM, with an attestation of ours: its digest, and the two images' ids."""
    ours = registry.add_image("app", None, BASE)
    arm = registry.add_image("app", None, TOP, config={"architecture": "arm64", "variant": "v8"})
    statement = registry.add_blob(b'{"predicateType": "https://slsa.dev/provenance/v1"}')
    config = registry.add_blob(b'{"architecture": "unknown", "os": "unknown"}')
    told = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 44},
        "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": statement, "size": 51}],
    }
    attestation = registry.add_manifest("app", None, told)
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(registry.manifests["app", digest][0]), **more}
        for digest, more in (
            (ours.manifest, {"platform": {"os": "linux", "architecture": host_platform().architecture}}),
            (arm.manifest, {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}),
            (
                attestation,
                {
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest",
                        "vnd.docker.reference.digest": ours.manifest,
                    },
                },
            ),
        )
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return registry.add_manifest("app", tag, index, OCI_INDEX), ours.config, arm.config


def stored(remote: Remote) -> set[str]:
    return {f"sha256:{path.name}" for path in Path(remote.layout.blobs / "sha256").glob("*")}


async def test_both_platforms_of_a_name_are_kept(remote: Remote, registry: FakeRegistry) -> None:
    index, ours, arm = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name)
    said = words(await pull(remote, name, platform=ARM))
    assert f"Status: Downloaded newer image for {name}:latest" in said
    for _ in range(2):
        assert [image.id for image in remote.images.variants(name)] == [ours, arm]
        assert remote.images.resolve(name).id == ours and remote.images.resolve(name, ARM).id == arm
        assert remote.images.target(name) == index
        second = remote.images.get(arm)
        assert second is not None and second.names == () and len(remote.images.reaching(arm)) == 2
        with pytest.raises(NotFound, match=r"does not provide the specified platform \(linux/riscv64\)"):
            remote.images.resolve(name, RISCV)
        remote = await remote.restart()
        await remote.images.start()
    assert f"Status: Image is up to date for {name}:latest" in words(await pull(remote, name, platform=ARM))


async def test_the_platform_that_came_first_is_meant_until_ours_comes(remote: Remote, registry: FakeRegistry) -> None:
    _, ours, arm = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name, platform=ARM)
    assert remote.images.resolve(name).id == arm
    await pull(remote, name)
    assert remote.images.resolve(name).id == ours
    moved = remote.images.get(arm)
    assert moved is not None and moved.names == ()


async def test_what_is_said_of_an_image_is_kept_with_it(remote: Remote, registry: FakeRegistry) -> None:
    index, ours, _ = publish(registry)
    await pull(remote, f"{registry.host}/app")
    kinds = [(leaf.kind, leaf.manifest is not None) for leaf in remote.images.documents.leaves(index)]
    assert kinds == [("image", True), ("image", False), ("attestation", True)]
    await remote.images.prune_content()
    assert len(stored(remote)) == 3 + 3 + 1  # ours and its attestation: manifest, configuration, layer; the index
    await remote.images.delete(ours)
    assert stored(remote) == set()


async def test_an_attestation_that_cannot_be_had_is_done_without(remote: Remote, registry: FakeRegistry) -> None:
    _, ours, _ = publish(registry)
    del registry.blobs[registry.add_blob(b'{"predicateType": "https://slsa.dev/provenance/v1"}')]
    await pull(remote, f"{registry.host}/app")
    assert remote.images.resolve(f"{registry.host}/app").id == ours


async def test_a_platform_that_goes_leaves_the_others(remote: Remote, registry: FakeRegistry) -> None:
    index, ours, arm = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name)
    await pull(remote, name, platform=ARM)
    await remote.images.delete(ours)
    assert remote.images.resolve(name).id == arm and remote.images.target(name) == index
    assert index in stored(remote) and ours not in stored(remote)
    remote = await remote.restart()
    await remote.images.start()
    assert remote.images.resolve(f"{name}@{index}").id == arm
    await remote.images.delete(arm)
    assert stored(remote) == set()
    with pytest.raises(NotFound):
        remote.images.resolve(name)


async def test_another_name_stands_for_the_same_index(remote: Remote, registry: FakeRegistry) -> None:
    index, ours, arm = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name)
    await pull(remote, name, platform=ARM)
    await remote.images.tag(ours, parse("mine"), remote.images.target(name))
    await remote.images.untag(parse(name))
    await remote.images.untag(parse(f"{name}@{index}"))
    assert remote.images.resolve("mine", ARM).id == arm and remote.images.target("mine") == index
    await remote.images.prune_content()
    assert index in stored(remote)


async def test_an_index_with_new_content_leaves_what_the_old_one_had(remote: Remote, registry: FakeRegistry) -> None:
    _, ours, arm = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name)
    await pull(remote, name, platform=ARM)
    newer = registry.add_image("app", None, BASE, TOP)
    registry.add_index("app", "latest", {HOST: newer.manifest})
    await pull(remote, name)
    assert remote.images.resolve(name).id == newer.config
    # By its digest the old one is still called.
    old = remote.images.get(ours)
    assert old is not None and [n.tag for n in old.names] == [None] and remote.images.reaching(arm)


async def test_pulled_from_a_store_of_before(remote: Remote, registry: FakeRegistry) -> None:
    index, ours, _ = publish(registry)
    name = f"{registry.host}/app"
    await pull(remote, name)
    await remote.db.write(lambda connection: connection.execute("UPDATE image_names SET target = NULL"))
    remote = await remote.restart()
    await remote.images.start()
    assert remote.images.target(f"{name}@{index}") == index  # a name by digest says itself what it is
    await pull(remote, name)
    assert remote.images.target(name) == index and remote.images.resolve(name).id == ours


async def test_where_blobs_came_from_is_noted(remote: Remote, registry: FakeRegistry) -> None:
    publish(registry)
    await pull(remote, f"{registry.host}/app")
    config = remote.images.resolve(f"{registry.host}/app").id
    assert await remote.places.repositories(registry.host, config) == ["app"]
    assert await remote.places.repositories("elsewhere", config) == []
    await remote.places.start(lambda digest: digest != config)
    assert await remote.places.repositories(registry.host, config) == []
    assert json.loads(remote.blobs.read(config, 1 << 20))["os"] == "linux"
