"""What is saved can be loaded again, here and elsewhere."""

import gzip
import json
from pathlib import Path

import pytest

from havre.errors import SystemFault
from havre.image import manifest as manifests
from havre.image.save import Selection
from havre.image.store import Image
from havre.lib.references import parse
from tests.unit.image.conftest import Room, digest, docker_archive, tar, untar
from tests.unit.image.test_load import index, layout

BASE = tar({"base": b"1"})
TOP = tar({"top": b"22"})


async def saved(room: Room, *selected: tuple[Image, list[str]]) -> bytes:
    chosen = [Selection(image, tuple(map(parse, tags))) for image, tags in selected]
    return b"".join([piece async for piece in room.saver.save(chosen)])


async def test_the_form_of_an_archive(room: Room) -> None:
    (image,) = await room.load(tar(docker_archive([BASE, TOP], ["app:1", "quay.io/x:2"])))
    data = await saved(room, (image, ["app:1", "quay.io/x:2"]))
    assert data == await saved(room, (image, ["app:1", "quay.io/x:2"]))
    assert len(data) % 512 == 0
    files = untar(data)
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name == "blobs/" + digest(content).replace(":", "/")
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(files["repositories"]) == {
        "app": {"1": digest(TOP).partition(":")[2]},
        "quay.io/x": {"2": digest(TOP).partition(":")[2]},
    }
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["app:1", "quay.io/x:2"]
    assert files[entry["Config"]] and digest(files[entry["Config"]]) == image.id
    assert [files[name] for name in entry["Layers"]] == [BASE, TOP]
    entries = json.loads(files["index.json"])["manifests"]
    assert [each["annotations"]["io.containerd.image.name"] for each in entries] == [
        "docker.io/library/app:1",
        "quay.io/x:2",
    ]
    manifest = json.loads(files["blobs/" + entries[0]["digest"].replace(":", "/")])
    assert manifest["config"]["digest"] == image.id
    assert [layer["digest"] for layer in manifest["layers"]] == [digest(BASE), digest(TOP)]


async def test_there_and_back(room: Room, tmp_path: Path) -> None:
    (one,) = await room.load(tar(docker_archive([BASE, TOP], ["one:1"])))
    (two,) = await room.load(tar(docker_archive([BASE], None, Cmd=["x"])))
    data = await saved(room, (one, ["one:1"]), (two, []))
    other = await Room(tmp_path / "other").start()
    loaded = await other.load(data)
    assert [(image.id, image.repo_tags) for image in loaded] == [(one.id, ("one:1",)), (two.id, ())]
    assert [image.layer_sizes for image in loaded] == [one.layer_sizes, two.layer_sizes]
    await other.stop()


async def test_an_image_keeps_the_manifest_it_came_with(room: Room, tmp_path: Path) -> None:
    blobs, descriptor = layout([gzip.compress(BASE)], annotations={"io.containerd.image.name": "app:1"})
    (image,) = await room.load(tar({**blobs, "index.json": index(descriptor)}))
    files = untar(await saved(room, (image, ["app:1"])))
    assert json.loads(files["index.json"])["manifests"][0]["digest"] == descriptor["digest"]
    other = await Room(tmp_path / "other").start()
    (again,) = await other.load(tar(files))
    assert again.manifest == image.manifest and again.layers[0].media_type == manifests.OCI_LAYER_GZIP
    await other.stop()


async def test_content_that_is_gone_is_told_before_anything_is_sent(room: Room) -> None:
    (image,) = await room.load(tar(docker_archive([BASE, TOP], ["app:1"])))
    room.blobs.delete(digest(TOP))
    pieces = room.saver.save([Selection(image, ())])
    with pytest.raises(SystemFault, match=f"content of app:1 is gone: {digest(TOP)}"):
        await anext(pieces)


async def test_nothing(room: Room) -> None:
    files = untar(await saved(room))
    assert json.loads(files["manifest.json"]) == [] and "repositories" not in files
