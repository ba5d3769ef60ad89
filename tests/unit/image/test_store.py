"""Images by name and id, and what goes with them when they go."""

import asyncio
import os

import pytest

from havre.errors import InvalidParameter, NotFound
from havre.image.digest import chain_ids
from havre.image.manifest import parse_platform
from havre.image.store import Image
from havre.lib.references import parse
from tests.unit.image.conftest import Room, digest, docker_archive, tar

BASE = tar({"base": b"1"})
TOP = tar({"top": b"22"})
OTHER = tar({"other": b"333"})
SOME = "sha256:" + "ab" * 32


async def loaded(room: Room, *layers: bytes, tags: tuple[str, ...] = (), cmd: str = "sh") -> Image:
    (image,) = await room.load(tar(docker_archive(layers, list(tags), Cmd=[cmd])))
    return image


async def test_found_by_every_name(room: Room) -> None:
    image = await loaded(room, BASE, tags=("app:latest", "app:1"))
    await room.images.tag(image.id, parse("app@" + SOME))
    hexadecimal = image.id.partition(":")[2]
    for ref in (
        "app",
        "app:1",
        "docker.io/library/app",
        "app@" + SOME,
        "app:1@" + SOME,
        "app:whatever@" + SOME,
        image.id,
        hexadecimal,
        hexadecimal[:12],
        "sha256:" + hexadecimal[:5],
    ):
        assert room.images.resolve(ref).id == image.id, ref
    assert room.images.get(image.id) is not None and room.images.get(hexadecimal) is None
    assert room.images.named(parse("app:1")) is not None and room.images.named(parse("app:2")) is None


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nothing", "No such image: nothing:latest"),
        ("nothing:1", "No such image: nothing:1"),
        ("docker.io/library/nothing", "No such image: nothing:latest"),
        ("app@" + SOME, "No such image: app@" + SOME),
        ("f" * 64, "No such image: sha256:" + "f" * 64),
        ("sha256:" + "f" * 64, "No such image: sha256:" + "f" * 64),
        ("sha256:ffff", "No such image: sha256:ffff"),
    ],
)
async def test_not_found(room: Room, ref: str, message: str) -> None:
    await loaded(room, BASE, tags=("app:1",))
    with pytest.raises(NotFound) as caught:
        room.images.resolve(ref)
    assert caught.value.message == message


@pytest.mark.parametrize("ref", ["", "UPPER", "a:b:c", "sha256:"])
async def test_malformed(room: Room, ref: str) -> None:
    with pytest.raises(InvalidParameter):
        room.images.resolve(ref)


async def test_a_prefix_of_two_ids_is_none(room: Room) -> None:
    images = [await loaded(room, BASE, cmd=str(number)) for number in range(17)]
    firsts = [image.id[7] for image in images]
    twice = next(letter for letter in firsts if firsts.count(letter) > 1)
    with pytest.raises(NotFound):
        room.images.resolve(twice)


async def test_platforms(room: Room) -> None:
    await loaded(room, BASE, tags=("app:1",))
    assert room.images.resolve("app:1", parse_platform("linux/amd64"))
    with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match the specified platform"):
        room.images.resolve("app:1", parse_platform("linux/arm64"))


async def test_tags_move(room: Room) -> None:
    one, two = await loaded(room, BASE, tags=("app:1",)), await loaded(room, TOP)
    await room.images.tag(two.id, parse("app:1"))
    assert room.images.resolve("app:1").id == two.id
    assert room.images.resolve(one.id).repo_tags == ()
    assert room.images.resolve(two.id).record.tagged > 0
    await room.images.untag(parse("app:1"))
    with pytest.raises(NotFound):
        room.images.resolve("app:1")
    await room.restart()
    assert {image.id: image.names for image in room.images.all()} == {one.id: (), two.id: ()}


async def test_deleting_takes_what_only_it_needed(room: Room) -> None:
    one = await loaded(room, BASE, TOP, tags=("one:1",))
    two = await loaded(room, BASE, OTHER, tags=("two:1",))
    removed = await room.images.delete(one.id)
    assert removed == [one.chain_id]
    assert room.stored() == {two.id, digest(BASE), digest(OTHER)}
    assert set(room.snapshotter.all()) == set(two.chain_ids)
    assert await room.images.delete(two.id) == list(reversed(two.chain_ids))
    assert room.stored() == set() and not room.snapshotter.all()
    await room.restart()
    assert room.images.all() == []


async def test_two_images_of_the_same_layers(room: Room) -> None:
    one, two = await loaded(room, BASE, cmd="1"), await loaded(room, BASE, cmd="2")
    assert await room.images.delete(one.id) == []
    assert room.layers.exists(two.chain_id or "") and digest(BASE) in room.stored()


async def test_layers_stay_for_as_long_as_a_container_stands_on_them(room: Room) -> None:
    image = await loaded(room, BASE, TOP)
    await room.snapshotter.prepare("container", image.chain_id)
    assert await room.images.delete(image.id) == []
    assert set(room.snapshotter.all()) == {*image.chain_ids, "container"}
    await room.restart()
    assert set(room.snapshotter.all()) == {*image.chain_ids, "container"}
    await room.snapshotter.remove("container")
    assert await room.images.collect() == list(reversed(image.chain_ids))


async def test_nothing_is_collected_while_an_image_is_put_together(room: Room) -> None:
    image = await loaded(room, BASE, TOP)
    with room.images.hold():
        assert await room.images.delete(image.id) == []
        assert await room.images.prune_content() == 0
        assert room.layers.exists(image.chain_id or "") and digest(TOP) in room.stored()
    assert room.stored() == set()
    assert await room.images.collect() == list(reversed(image.chain_ids))


async def test_content_of_a_broken_off_pull_is_kept_for_a_day(room: Room) -> None:
    fresh, stale = await room.blobs.add(b"fresh"), await room.blobs.add(b"stale")
    os.utime(room.blobs.path(stale), (1, 1))
    image = await loaded(room, BASE)
    for blob in (image.id, digest(BASE)):
        os.utime(room.blobs.path(blob), (1, 1))
    await room.restart()
    assert room.stored() == {fresh, image.id, digest(BASE)}


async def test_layers_without_an_image_go_at_the_next_start(room: Room) -> None:
    image = await loaded(room, BASE)
    await room.snapshotter.prepare("unpack-x", image.chain_id)
    await room.restart()
    assert set(room.snapshotter.all()) == set(image.chain_ids)


async def test_adding_again_adds_names(room: Room) -> None:
    image = await loaded(room, BASE, tags=("app:1",))
    again = await room.images.add(image.id, image.layers, None, [parse("app:2")])
    assert again.repo_tags == ("app:1", "app:2")
    assert again.record.added == image.record.added
    assert len(room.images.all()) == 1


async def test_an_image_has_as_many_layers_as_it_says(room: Room) -> None:
    image = await loaded(room, BASE, TOP)
    await room.images.delete(image.id)
    other = await loaded(room, BASE, TOP)
    with pytest.raises(InvalidParameter):
        await room.images.add(await room.blobs.add(room.blobs.read(other.id, 9999) + b" "), other.layers[:1])


async def test_children(room: Room) -> None:
    parent = await loaded(room, BASE)
    child = await loaded(room, BASE, TOP)
    await room.images.delete(child.id)
    file = tar(docker_archive([BASE, TOP], [], Cmd=["child"]))
    (child,) = await room.load(file)
    await room.images.add(child.id, child.layers, parent=parent.id)
    assert [image.id for image in room.images.children(parent.id)] == []
    assert parent.chain_ids == tuple(chain_ids([digest(BASE)]))


async def test_a_damaged_image_does_not_keep_the_others_from_starting(room: Room) -> None:
    good, bad = await loaded(room, BASE, tags=("good:1",)), await loaded(room, TOP, tags=("bad:1",))
    room.blobs.path(bad.id).unlink()
    await room.restart()
    assert [image.id for image in room.images.all()] == [good.id]
    with pytest.raises(NotFound):
        room.images.resolve("bad:1")


async def test_many_at_once(room: Room) -> None:
    images = [await loaded(room, BASE, TOP, cmd=str(number)) for number in range(8)]
    names = [parse(f"app:{number}") for number in range(8)]
    await asyncio.gather(*(room.images.tag(i.id, n) for i, n in zip(images, names, strict=True)))
    await asyncio.gather(*(room.images.delete(image.id) for image in images[:7]))
    assert [image.repo_tags for image in room.images.all()] == [("app:7",)]
    assert set(room.snapshotter.all()) == set(images[7].chain_ids)


async def test_the_same_at_once(room: Room) -> None:
    image, name = await loaded(room, BASE, TOP, tags=("app:1",)), parse("app:1")
    await asyncio.gather(room.images.untag(name), room.images.untag(name))
    verbs = (room.images.delete(image.id), room.images.delete(image.id), room.images.tag(image.id, name))
    deleted, *late = await asyncio.gather(*verbs, return_exceptions=True)
    assert deleted == list(reversed(image.chain_ids))
    assert [type(error) for error in late] == [NotFound, NotFound]
    await room.restart()
    assert room.images.all() == [] and room.stored() == set()
