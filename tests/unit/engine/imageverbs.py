"""The image verbs over real stores of a temporary data root, with stand-ins for containers, events and registries."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from havre.engine.images import Images
from havre.errors import Conflict
from havre.image.hello import Hello
from havre.image.manifest import Platform
from havre.image.remote.auth import Auth
from havre.lib.references import Reference, parse
from havre.wire.filters import Filters
from tests.unit.image.conftest import Room, digest, docker_archive, tar, untar

BASE = tar({"base": b"1"})
TOP = tar({"top": b"22"})
SOME = "sha256:" + "ab" * 32
C1, C2 = "1" * 64, "2" * 64


class Users:
    """Containers by image."""

    def __init__(self) -> None:
        self.containers: dict[str, list[tuple[str, bool]]] = {}

    def users_of(self, image_id: str) -> Sequence[tuple[str, bool]]:
        return self.containers.get(image_id, [])


class Recorder:
    """Events as (action, id, name), without the type, which is always image."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.attributes: list[Mapping[str, str]] = []

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None:
        assert type == "image"
        self.events.append((action, actor_id, attributes.get("name", "")))
        self.attributes.append(attributes)


class FakePuller:
    """Says what it was asked for, and gives the image the name."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.asked: list[tuple[str, Platform | None, bool]] = []

    async def pull(
        self, name: Reference, platform: Platform | None, auth: Auth | None, all_tags: bool
    ) -> AsyncIterator[dict[str, Any]]:
        self.asked.append((name.familiar(), platform, all_tags))
        yield {"status": "pulled"}
        for image in self._room.images.all():
            await self._room.images.tag(image.id, name)


class Verbs:
    def __init__(self, room: Room) -> None:
        self.room = room
        self.users = Users()
        self.events = Recorder()
        self.puller = FakePuller(room)
        embedded = Hello(room.images, room.importer)
        stores = (room.images, room.blobs, room.snapshotter, room.loader, room.saver, room.importer, embedded)
        self.images = Images(*stores, self.puller, None, None, self.users, self.events)  # type: ignore[arg-type]

    async def load(self, *tags: str, layers: Sequence[bytes] = (BASE,), **settings: Any) -> str:
        (image,) = await self.room.load(tar(docker_archive(layers, list(tags), **settings)))
        return image.id

    async def listed(self, **options: Any) -> list[dict[str, Any]]:
        """The list of images."""
        return await self.images.list(False, Filters(), **options)

    def filters(self, **values: list[str]) -> Filters:
        return Filters(values)

    async def remove(self, ref: str, force: bool = False, noprune: bool = False) -> list[tuple[str, str]]:
        """What was done, as (word, name)."""
        return [next(iter(record.items())) for record in await self.images.remove(ref, force, noprune)]

    async def refused(self, ref: str, force: bool = False) -> str:
        with pytest.raises(Conflict) as caught:
            await self.remove(ref, force)
        return caught.value.message

    async def tags(self, filters: Mapping[str, list[str]] | None = None, all: bool = False) -> list[list[str]]:
        return [row["RepoTags"] for row in await self.images.list(all, Filters(filters or {}))]


@pytest.fixture
async def verbs(tmp_path: Path) -> AsyncIterator[Verbs]:
    room = await Room(tmp_path).start()
    yield Verbs(room)
    await room.stop()


def short(image_id: str) -> str:
    return image_id.partition(":")[2][:12]


async def child_of(verbs: Verbs, parent: str, *tags: str, **settings: Any) -> str:
    """An image as a build would leave it on its parent."""
    room = verbs.room
    image = await verbs.load(layers=[BASE, TOP], **settings)
    found = room.images.resolve(image)
    names = [parse(tag) for tag in tags]
    await room.images.delete(image)
    (again,) = await room.load(tar(docker_archive([BASE, TOP], [], **settings)))
    await room.images.delete(again.id)
    for data in (BASE, TOP):
        await room.blobs.add(data)
    base = await room.layers.ensure(None, digest(BASE), found.layers[0])
    await room.layers.ensure(base, digest(TOP), found.layers[1])
    document = untar(tar(docker_archive([BASE, TOP], [], **settings)))
    await room.blobs.add(document[image.partition(":")[2] + ".json"])
    await room.images.add(image, found.layers, None, names, parent=parent)
    return image
