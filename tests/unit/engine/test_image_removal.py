"""``docker rmi`` and ``image prune``: the rules, the order and the texts are those a dockerd 28 gave."""

import pytest

from havre.errors import InvalidParameter, NotFound
from havre.image.digest import chain_ids
from havre.lib.references import parse
from havre.wire.filters import Filters
from tests.unit.engine.imageverbs import BASE, C1, C2, SOME, TOP, Verbs, child_of, short, verbs
from tests.unit.image.conftest import digest

__all__ = ["verbs"]


async def test_rmi_untags_until_the_last_name(verbs: Verbs) -> None:
    image = await verbs.load("app:1", "app:2", "other:1", layers=[BASE, TOP])
    assert await verbs.remove("app:1") == [("Untagged", "app:1")]
    assert await verbs.remove("docker.io/library/other:1") == [("Untagged", "other:1")]
    chain = chain_ids([digest(BASE), digest(TOP)])
    assert await verbs.remove("app:2") == [
        ("Untagged", "app:2"),
        ("Deleted", image),
        ("Deleted", chain[1]),
        ("Deleted", chain[0]),
    ]
    assert verbs.events.events == [("untag", image, image)] * 3 + [("delete", image, image)]
    with pytest.raises(NotFound, match="No such image: app:2"):
        await verbs.remove("app:2")


async def test_rmi_by_id(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    assert await verbs.remove(short(image)) == [("Untagged", "app:1"), ("Deleted", image), ("Deleted", digest(BASE))]


@pytest.mark.parametrize("tags", [("app:1", "app:2"), ("app:1", "other:1")])
async def test_rmi_by_id_of_several_names_needs_force(verbs: Verbs, tags: tuple[str, str]) -> None:
    image = await verbs.load(*tags)
    expected = (
        f"conflict: unable to delete {short(image)} (must be forced) - image is referenced in multiple repositories"
    )
    assert await verbs.refused(image) == expected
    assert [word for word, _ in await verbs.remove(image, force=True)] == ["Untagged", "Untagged", "Deleted", "Deleted"]


async def test_rmi_of_a_tag_takes_the_digests_of_its_repository_along(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    await verbs.room.images.tag(image, parse("app@" + SOME))
    await verbs.room.images.tag(image, parse("other@" + SOME))
    assert await verbs.remove("app:1") == [("Untagged", "app:1"), ("Untagged", "app@" + SOME)]
    assert await verbs.remove("other@" + SOME) == [
        ("Untagged", "other@" + SOME),
        ("Deleted", image),
        ("Deleted", digest(BASE)),
    ]


async def test_rmi_by_id_with_a_tag_and_its_digest(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    await verbs.room.images.tag(image, parse("app@" + SOME))
    assert [word for word, _ in await verbs.remove(image)] == ["Untagged", "Untagged", "Deleted", "Deleted"]


async def test_rmi_of_a_digest_leaves_the_tag(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    await verbs.room.images.tag(image, parse("app@" + SOME))
    assert await verbs.remove("app@" + SOME) == [("Untagged", "app@" + SOME)]
    assert await verbs.tags() == [["app:1"]]


async def test_rmi_of_an_image_a_stopped_container_uses(verbs: Verbs) -> None:
    image = await verbs.load("app:1", "app:2")
    verbs.users.containers[image] = [(C1, False)]
    assert await verbs.remove("app:1") == [("Untagged", "app:1")]
    assert await verbs.refused("app:2") == (
        f'conflict: unable to remove repository reference "app:2" (must force) - container {C1[:12]} '
        f"is using its referenced image {short(image)}"
    )
    assert await verbs.refused(image) == (
        f"conflict: unable to delete {short(image)} (must be forced) - "
        f"image is being used by stopped container {C1[:12]}"
    )
    assert [word for word, _ in await verbs.remove("app:2", force=True)] == ["Untagged", "Deleted", "Deleted"]


async def test_rmi_of_an_image_a_running_container_uses(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    verbs.users.containers[image] = [(C1, False), (C2, True)]
    reason = f"image is being used by running container {C2[:12]}"
    hard = f"conflict: unable to delete {short(image)} (cannot be forced) - {reason}"
    assert await verbs.refused(image) == hard
    assert await verbs.refused(image, force=True) == hard
    assert await verbs.remove("app:1", force=True) == [("Untagged", "app:1")]
    assert await verbs.tags() == [[]]


async def test_rmi_of_a_parent(verbs: Verbs) -> None:
    parent = await verbs.load("base:1")
    child = await child_of(verbs, parent, "app:1", Cmd=["child"])
    message = f"conflict: unable to delete {short(parent)} (cannot be forced) - image has dependent child images"
    assert await verbs.refused(parent) == message
    assert await verbs.refused(parent, force=True) == message
    assert await verbs.remove("base:1") == [("Untagged", "base:1")]
    removed = await verbs.remove("app:1")
    assert next(name for word, name in removed if word == "Deleted") == child
    assert ("Deleted", parent) in removed


async def test_rmi_without_pruning_keeps_the_parent(verbs: Verbs) -> None:
    parent = await verbs.load()
    await child_of(verbs, parent, "app:1", Cmd=["child"])
    assert ("Deleted", parent) not in await verbs.remove("app:1", noprune=True)
    assert verbs.room.images.get(parent) is not None


async def test_rmi_errors(verbs: Verbs) -> None:
    with pytest.raises(NotFound, match="No such image: nothing:latest"):
        await verbs.remove("nothing")
    with pytest.raises(InvalidParameter, match="must be lowercase"):
        await verbs.remove("UPPER")


# -- prune ------------------------------------------------------------------------------------------------------------


async def test_prune_takes_nameless_images(verbs: Verbs) -> None:
    image = await verbs.load(Cmd=["nameless"], layers=[TOP])
    await verbs.load("app:1")
    report = await verbs.images.prune(Filters())
    assert report == {"ImagesDeleted": [{"Deleted": image}, {"Deleted": digest(TOP)}], "SpaceReclaimed": 2}
    assert await verbs.images.prune(Filters()) == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert verbs.events.events[-1] == ("prune", "", "") and verbs.events.attributes[-1] == {"reclaimed": "0"}


async def test_prune_counts_an_image_with_only_a_digest_as_nameless(verbs: Verbs) -> None:
    image = await verbs.load()
    await verbs.room.images.tag(image, parse("app@" + SOME))
    report = await verbs.images.prune(Filters())
    assert report["ImagesDeleted"][:2] == [{"Untagged": "app@" + SOME}, {"Deleted": image}]


async def test_prune_all_takes_what_no_container_uses(verbs: Verbs) -> None:
    used = await verbs.load("used:1", Cmd=["used"])
    verbs.users.containers[used] = [(C1, False)]
    await verbs.load("app:1", "app:2", Cmd=["unused"], layers=[TOP])
    report = await verbs.images.prune(Filters({"dangling": ["false"]}))
    assert [next(iter(record)) for record in report["ImagesDeleted"]] == ["Untagged", "Untagged", "Deleted", "Deleted"]
    assert await verbs.tags() == [["used:1"]]


async def test_prune_filters(verbs: Verbs) -> None:
    await verbs.load("a:1", Labels={"keep": "yes"})
    await verbs.load("b:1", Labels={"other": "1"}, Cmd=["b"])
    everything = {"dangling": ["false"]}
    for refused in ({"until": ["2000-01-01"]}, {"label": ["nothing"]}, {"label!": ["keep"], "label": ["keep"]}):
        assert (await verbs.images.prune(Filters({**everything, **refused})))["ImagesDeleted"] is None
    await verbs.images.prune(Filters({**everything, "label!": ["keep=yes"]}))
    assert await verbs.tags() == [["a:1"]]
    await verbs.images.prune(Filters({**everything, "until": ["1h"]}))
    assert await verbs.tags() == []
    for bad in ({"reference": ["a"]}, {"dangling": ["a"]}, {"until": ["x"]}, {"until": ["1h", "2h"]}):
        with pytest.raises(InvalidParameter):
            await verbs.images.prune(Filters(bad))


async def test_prune_takes_content_nothing_needs(verbs: Verbs) -> None:
    left_over = await verbs.room.blobs.add(b"of a broken-off pull")
    await verbs.images.prune(Filters())
    assert not verbs.room.blobs.exists(left_over)
