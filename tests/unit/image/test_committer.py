"""``docker commit``, the image's side: what the new image says, and what is left when it comes to nothing."""

import json
import os
from pathlib import Path

import pytest

from havre.errors import Conflict, SystemFault
from havre.image.committer import Step
from havre.image.store import Image
from havre.lib.references import parse
from tests.unit.image.conftest import Room, digest, docker_archive, tar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

BASE = tar({"bin/sh": b"shell"})
STEP = Step({"Cmd": ["x"]}, "c" * 64, {"Hostname": "c"}, "sh -c x", "me", "why")


class Still:
    """Notes that it has begun and ended."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.told: list[str] = []
        self._failure = failure

    async def begin(self) -> None:
        self.told.append("begin")

    async def end(self) -> None:
        self.told.append("end")
        if self._failure is not None:
            raise self._failure


@pytest.fixture
async def base(room: Room) -> Image:
    return (await room.load(tar(docker_archive([BASE], ["base:1"]))))[0]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper" / "new").write_bytes(b"content")
    return tmp_path / "upper"


async def test_an_image(room: Room, base: Image, files: Path) -> None:
    still = Still()
    image = await room.committer.commit(base, files, (), STEP, [parse("made:1")], still)
    assert still.told == ["begin", "end"] and image.repo_tags == ("made:1",)
    assert image.config.diff_ids == (digest(BASE), image.layers[1].digest)
    assert (room.snapshotter.upper(image.chain_ids[1]) / "new").read_bytes() == b"content"
    assert room.layers.usage(image.chain_ids[1]).size == 7
    assert (image.config.author, image.config.comment, image.config.cmd) == ("me", "why", ("x",))
    step = image.config.history[-1]
    assert (step.created_by, step.author, step.comment, step.empty_layer) == ("sh -c x", "me", "why", False)
    assert len(image.config.history) == len(base.config.history) + 1
    assert (image.config.container, image.config.container_config) == ("c" * 64, {"Hostname": "c"})
    assert image.record.parent == base.id and image.config.architecture == base.config.architecture
    assert room.stored() == {base.id, image.id, digest(BASE), image.layers[1].digest} and room.ingesting() == []


async def test_nothing_new_is_no_layer(room: Room, base: Image, files: Path) -> None:
    image = await room.committer.commit(base, files, ("new",), STEP, [], Still())
    assert image.config.diff_ids == base.config.diff_ids and image.layers == base.layers
    assert image.config.history[-1].empty_layer
    assert room.stored() == {base.id, image.id, digest(BASE)}
    assert len(room.snapshotter.all()) == 1


async def test_the_same_layer_twice(room: Room, base: Image, files: Path) -> None:
    one = await room.committer.commit(base, files, (), STEP, [], Still())
    two = await room.committer.commit(base, files, (), STEP, [], Still())
    assert one.id != two.id and one.chain_ids == two.chain_ids
    assert len(room.snapshotter.all()) == 2
    await room.images.delete(one.id)
    assert (room.snapshotter.upper(two.chain_ids[1]) / "new").exists() and two.layers[1].digest in room.stored()


async def test_failures_leave_nothing(room: Room, base: Image, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = room.stored()
    with pytest.raises(Conflict, match="removed"):
        await room.committer.commit(base, files, (), STEP, [], Still(Conflict("removed")))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("havre.image.layers.copy_layer", full)
    with pytest.raises(SystemFault, match="No space left"):
        await room.committer.commit(base, files, (), STEP, [], Still())
    assert room.stored() == before and room.ingesting() == []
    assert len(room.snapshotter.all()) == 1 and len(room.images.all()) == 1


async def test_what_a_killed_daemon_left_goes_at_once(room: Room, base: Image) -> None:
    """Two blobs were adopted for an image that was never recorded; one of them another image has."""
    for data in (b"orphan", BASE):
        partial = room.blobs.stage()
        partial.write(data)
        await room.blobs.adopt(partial.path, digest(data))
        partial.close()
    unrelated = await room.blobs.add(b"kept for a while")
    await room.restart()
    assert room.stored() == {base.id, digest(BASE), unrelated} and room.ingesting() == []


async def test_the_document_is_docker_s(room: Room, base: Image, files: Path) -> None:
    image = await room.committer.commit(base, files, (), STEP, [], Still())
    document = json.loads(room.blobs.read(image.id, 1 << 20))
    assert set(document) == {
        *("architecture", "author", "comment", "config", "container", "container_config", "created", "history", "os"),
        "rootfs",
    }
