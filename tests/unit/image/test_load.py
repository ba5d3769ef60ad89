"""``docker load``: archives of every form, and what is refused."""

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from havre.errors import HavreError, InvalidParameter
from havre.image import manifest as manifests
from havre.image.load import LayerProgress, Loaded
from havre.lib.references import parse
from tests.unit.image.conftest import Room, chunked, config, digest, docker_archive, tar

BASE = tar({"base": b"1"})
TOP = tar({"top": b"22"})


def layout(
    layers: list[bytes], *, platform: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The blobs of an image in an OCI layout, and its descriptor."""
    document = config([gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in layers])
    described = [
        {"mediaType": manifests.OCI_LAYER_GZIP, "digest": digest(layer), "size": len(layer)} for layer in layers
    ]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifests.OCI_MANIFEST,
            "config": {"mediaType": manifests.OCI_CONFIG, "digest": digest(document), "size": len(document)},
            "layers": described,
        }
    ).encode()
    blobs = {blob_name(data): data for data in [*layers, document, manifest]}
    descriptor: dict[str, Any] = {
        "mediaType": manifests.OCI_MANIFEST,
        "digest": digest(manifest),
        "size": len(manifest),
    }
    if platform:
        descriptor["platform"] = platform
    if annotations:
        descriptor["annotations"] = annotations
    return blobs, descriptor


def blob_name(data: bytes) -> str:
    return "blobs/" + digest(data).replace(":", "/")


def index(*descriptors: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": descriptors}).encode()


async def refused(room: Room, files: dict[str, bytes], match: str) -> None:
    before = room.stored(), set(room.snapshotter.all())
    with pytest.raises(HavreError, match=match):
        await room.load(tar(files))
    assert room.images.all() == []
    assert (room.stored(), set(room.snapshotter.all())) == before
    assert room.ingesting() == []


async def test_docker_archive(room: Room) -> None:
    files = docker_archive([BASE, TOP], ["app:1", "docker.io/team/app:2"], Cmd=["sh"])
    (image,) = await room.load(tar(files))
    assert image.repo_tags == ("app:1", "team/app:2")
    assert image.id == digest(config([BASE, TOP], Cmd=["sh"]))
    assert image.config.cmd == ("sh",)
    assert image.size == 3 and image.layer_sizes == (1, 2)
    assert [layer.digest for layer in image.layers] == [digest(BASE), digest(TOP)]
    assert image.manifest is None and image.repo_digests == ()
    assert room.stored() == {image.id, digest(BASE), digest(TOP)}
    assert (room.snapshotter.upper(image.chain_id or "") / "top").read_bytes() == b"22"
    assert room.ingesting() == []


async def test_events(room: Room) -> None:
    data = tar(docker_archive([BASE], ["app:1"]))
    events = [event async for event in room.loader.load(chunked(data))]
    assert events[:-1] == [LayerProgress(digest(BASE), len(BASE), len(BASE))] * (len(events) - 1)
    assert isinstance(events[-1], Loaded) and events[-1].names == (parse("app:1"),) and events[-1].taken == ()
    again = [event async for event in room.loader.load(chunked(data))]
    assert [type(event) for event in again] == [Loaded]


async def test_a_name_is_taken_from_another_image(room: Room) -> None:
    (old,) = await room.load(tar(docker_archive([BASE], ["app:1"])))
    events = [event async for event in room.loader.load(chunked(tar(docker_archive([BASE], ["app:1"], Cmd=["x"]))))]
    assert isinstance(events[-1], Loaded) and events[-1].taken == ((parse("app:1"), old.id),)
    assert room.images.resolve(old.id).repo_tags == ()
    assert room.images.resolve("app:1").config.cmd == ("x",)


@pytest.mark.parametrize("tags", [None, []])
async def test_without_a_name(room: Room, tags: list[str] | None) -> None:
    (image,) = await room.load(tar(docker_archive([BASE], tags)))
    assert image.names == ()


async def test_several_images_in_one_archive(room: Room) -> None:
    one, two = docker_archive([BASE], ["one:1"]), docker_archive([BASE], ["two:1"], Cmd=["x"])
    both = json.loads(one["manifest.json"]) + json.loads(two["manifest.json"])
    images = await room.load(tar({**one, **two, "manifest.json": json.dumps(both).encode()}))
    assert [image.repo_tags for image in images] == [("one:1",), ("two:1",)]
    assert len(room.snapshotter.all()) == 1


async def test_compressed_layers_in_a_docker_archive(room: Room) -> None:
    files = docker_archive([BASE, TOP])
    files["0/layer.tar"] = gzip.compress(BASE)
    (image,) = await room.load(gzip.compress(tar(files)))
    assert [layer.media_type for layer in image.layers] == [manifests.OCI_LAYER_GZIP, manifests.OCI_LAYER]
    assert image.layers[0].digest == digest(files["0/layer.tar"])


async def test_layers_that_are_links(room: Room) -> None:
    files = docker_archive([BASE, BASE])
    del files["1/layer.tar"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("1/layer.tar")
        info.type, info.linkname = tarfile.SYMTYPE, "../0/layer.tar"
        archive.addfile(info)
    (image,) = await room.load(buffer.getvalue())
    assert len(image.layers) == 2 and len(room.snapshotter.all()) == 2


async def test_oci_layout(room: Room) -> None:
    packed = [gzip.compress(BASE), gzip.compress(TOP)]
    names = [
        {"io.containerd.image.name": "quay.io/team/app:1", "org.opencontainers.image.ref.name": "1"},
        {"org.opencontainers.image.ref.name": "localhost:5000/app:2"},
        {"org.opencontainers.image.ref.name": "only-a-tag"},
    ]
    blobs, descriptor = layout(packed)
    entries = [{**descriptor, "annotations": each} for each in names]
    (image,) = await room.load(tar({**blobs, "index.json": index(*entries), "oci-layout": b"{}"}))
    assert image.repo_tags == ("localhost:5000/app:2", "quay.io/team/app:1")
    assert image.manifest is not None and image.manifest.digest == descriptor["digest"]
    assert image.manifest.annotations is None
    assert [layer.digest for layer in image.layers] == [digest(layer) for layer in packed]
    assert room.stored() == {digest(data) for data in blobs.values()}


async def test_the_platform_is_chosen_from_a_nested_index(room: Room) -> None:
    host = manifests.host_platform()
    mine, mine_at = layout([BASE], platform={"os": host.os, "architecture": host.architecture})
    _, other_at = layout([TOP], platform={"os": "linux", "architecture": "sparc"})
    inner = index(other_at, mine_at)
    outer = index(
        {
            "mediaType": manifests.OCI_INDEX,
            "digest": digest(inner),
            "size": len(inner),
            "annotations": {"io.containerd.image.name": "docker.io/library/app:1"},
        }
    )
    # The other platform's blobs are left out, as a partial archive may.
    (image,) = await room.load(tar({**mine, blob_name(inner): inner, "index.json": outer}))
    assert image.repo_tags == ("app:1",) and image.config.diff_ids == (digest(BASE),)


async def test_docker_s_archive_of_today_keeps_its_manifest(room: Room) -> None:
    blobs, descriptor = layout([gzip.compress(BASE)])
    name = next(name for name, data in blobs.items() if b"rootfs" in data and b"history" in data)
    layer = next(name for name, data in blobs.items() if data[:2] == b"\x1f\x8b")
    entry = [{"Config": name, "RepoTags": ["app:1"], "Layers": [layer]}]
    files = {**blobs, "index.json": index(descriptor), "manifest.json": json.dumps(entry).encode()}
    (image,) = await room.load(tar(files))
    assert image.manifest is not None and image.manifest.digest == descriptor["digest"]


async def test_a_layer_kept_as_another_blob_is_not_kept_twice(room: Room) -> None:
    blobs, descriptor = layout([gzip.compress(BASE)])
    await room.load(tar({**blobs, "index.json": index(descriptor)}))
    (image,) = await room.load(tar(docker_archive([BASE, TOP])))
    assert image.layers[0].digest == digest(gzip.compress(BASE)) or image.layers[0].media_type.endswith("gzip")
    assert digest(BASE) not in room.stored()


async def test_loaded_images_survive_a_restart(room: Room) -> None:
    (image,) = await room.load(tar(docker_archive([BASE, TOP], ["app:1"])))
    await room.restart()
    assert room.images.resolve("app:1") == image


async def test_archives_that_are_no_images(room: Room) -> None:
    await refused(room, {"a": b"1"}, "neither a manifest.json nor an index.json")
    await refused(room, {"manifest.json": b"[]"}, "holds no image")
    await refused(room, {"manifest.json": b"{"}, "invalid manifest.json")
    await refused(room, {"manifest.json": b'[{"Config": 1}]'}, "invalid manifest.json")
    await refused(room, {"index.json": index()}, "holds no image")
    await refused(room, {"index.json": b'{"config": {}}'}, "invalid manifest")


async def test_archives_that_lack_something(room: Room) -> None:
    files = docker_archive([BASE, TOP])
    for missing in files:
        if missing != "manifest.json":
            await refused(room, {name: data for name, data in files.items() if name != missing}, "lacks")
    blobs, descriptor = layout([BASE])
    for missing in blobs:
        left = {name: data for name, data in blobs.items() if name != missing}
        await refused(room, {**left, "index.json": index(descriptor)}, "lacks")


async def test_content_that_is_not_what_its_name_says(room: Room) -> None:
    files = docker_archive([BASE, TOP])
    forged = next(name for name in files if name.endswith(".json") and len(name) == 69)
    await refused(room, {**files, forged: config([BASE, TOP], Cmd=["evil"])}, "has the digest")
    await refused(room, {**files, "1/layer.tar": tar({"evil": b""})}, "names it")
    blobs, descriptor = layout([BASE])
    for name in blobs:
        await refused(room, {**blobs, name: b"evil", "index.json": index(descriptor)}, "in the archive")
    await refused(room, {**blobs, "index.json": index({**descriptor, "size": 1})}, "in the archive")


async def test_layers_that_do_not_fit_the_configuration(room: Room) -> None:
    files = docker_archive([BASE, TOP])
    entry = json.loads(files["manifest.json"])
    entry[0]["Layers"].pop()
    await refused(room, {**files, "manifest.json": json.dumps(entry).encode()}, "length mismatch: expected 1, got 2")


@pytest.mark.parametrize("tag", ["UPPER:1", "app@sha256:" + "a" * 64, "a:b:c", ""])
async def test_bad_names(room: Room, tag: str) -> None:
    await refused(room, docker_archive([BASE], [tag]), "invalid tag")


async def test_an_index_without_its_images(room: Room) -> None:
    _, descriptor = layout([BASE], platform={"os": "linux", "architecture": "sparc"})
    inner = index(descriptor)
    outer = index({"mediaType": manifests.OCI_INDEX, "digest": digest(inner), "size": len(inner)})
    await refused(room, {blob_name(inner): inner, "index.json": outer}, "no matching manifest")


async def test_an_index_without_end(room: Room) -> None:
    inner = index()
    files = {}
    for _ in range(10):
        files[blob_name(inner)] = inner
        inner = index({"mediaType": manifests.OCI_INDEX, "digest": digest(inner), "size": len(inner)})
    await refused(room, {**files, "index.json": inner}, "nested too deeply|no matching manifest")


async def test_the_second_image_is_bad_the_first_stays(room: Room) -> None:
    one, two = docker_archive([BASE], ["one:1"]), docker_archive([TOP], ["two:1"])
    both = json.loads(one["manifest.json"]) + json.loads(two["manifest.json"])
    both[1]["Layers"] = ["0/layer.tar"]
    files = {**two, **one, "manifest.json": json.dumps(both).encode()}
    with pytest.raises(InvalidParameter):
        await room.load(tar(files))
    assert [image.repo_tags for image in room.images.all()] == [("one:1",)]
