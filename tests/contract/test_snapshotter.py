"""What every ``Snapshotter`` promises: the one on overlayfs (which needs root) and the stand-in of the unit tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from havre.errors import Conflict, NotFound
from havre.image.snapshots import Snapshot, Snapshotter, Usage
from havre.image.snapshots.overlay import OverlaySnapshotter
from havre.kernel import mounts
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import images as schema
from tests.fakes.snapshots import FakeSnapshotter

USAGE = Usage(5, 1)


@pytest.fixture(params=["fake", pytest.param("overlay", marks=pytest.mark.system)])
async def snapshotter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Snapshotter]:
    if request.param == "fake":
        yield FakeSnapshotter(tmp_path / "snapshots")
        return
    async with overlay(tmp_path) as made:
        yield made


class overlay:
    """An overlay snapshotter on ``root``; all it mounted is unmounted at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._layout = Layout(root / "data", root / "run")

    async def __aenter__(self) -> OverlaySnapshotter:
        self._layout.prepare()
        self._db = Database.open(self._layout.database, {"images": schema.MIGRATIONS})
        self._made = OverlaySnapshotter(self._db, self._layout)
        await self._made.start()
        return self._made

    async def __aexit__(self, *_: object) -> None:
        await self._made.close()
        self._db.close()


@pytest.fixture(autouse=True)
def _no_mount_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    left = [entry.target for entry in mounts.mountinfo() if entry.target.startswith(f"{tmp_path}/")]
    for target in left:
        mounts.unmount(target)
    assert not left


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


async def layer(snapshotter: Snapshotter, name: str, parent: str | None, **files: str) -> str:
    """A committed layer of small files."""
    await snapshotter.prepare(f"unpack-{name}", parent)
    upper = snapshotter.upper(f"unpack-{name}")
    for file, text in files.items():
        (upper / file).write_text(text)
    await snapshotter.commit(f"unpack-{name}", name, USAGE)
    return name


async def test_the_life_of_a_container(snapshotter: Snapshotter, target: Path) -> None:
    base = await layer(snapshotter, "base", None, a="from base", b="from base")
    top = await layer(snapshotter, "top", base, b="from top")
    snapshot = await snapshotter.prepare("container", top)
    assert (snapshot.key, snapshot.parent, snapshot.committed) == ("container", top, False)
    await snapshotter.mount("container", target)
    assert (target / "a").read_text() == "from base"
    assert (target / "b").read_text() == "from top"
    (target / "c").write_text("mine")
    await snapshotter.unmount(target)
    assert list(target.iterdir()) == []
    await snapshotter.mount("container", target)
    assert (target / "c").read_text() == "mine"
    await snapshotter.unmount(target)
    assert not (snapshotter.upper(top) / "c").exists()
    assert (await snapshotter.usage("container")) == Usage(4, 1)
    await snapshotter.remove("container")
    await snapshotter.remove(top)
    await snapshotter.remove(base)
    assert not snapshotter.all()


async def test_a_layer_between(snapshotter: Snapshotter, target: Path, tmp_path: Path) -> None:
    base = await layer(snapshotter, "base", None, a="from base", b="from base")
    between = tmp_path / "between"
    between.mkdir()
    (between / "b").write_text("from between")
    await snapshotter.prepare("container", base)
    await snapshotter.mount("container", target, under=between)
    assert {path.name: path.read_text() for path in target.iterdir()} == {"a": "from base", "b": "from between"}
    (target / "b").write_text("mine")
    assert (between / "b").read_text() == "from between"
    await snapshotter.unmount(target)
    await snapshotter.prepare("bare", None)
    await snapshotter.mount("bare", target, under=between)
    assert (target / "b").read_text() == "from between"
    await snapshotter.unmount(target)


async def test_two_containers_share_their_layers(snapshotter: Snapshotter, tmp_path: Path) -> None:
    base = await layer(snapshotter, "base", None, a="1")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        await snapshotter.prepare(name, base)
        await snapshotter.mount(name, tmp_path / name)
        (tmp_path / name / "a").write_text(name)
    assert (tmp_path / "one/a").read_text() == "one"
    assert (snapshotter.upper(base) / "a").read_text() == "1"
    for name in ("one", "two"):
        await snapshotter.unmount(tmp_path / name)
        await snapshotter.remove(name)


async def test_readonly(snapshotter: Snapshotter, target: Path) -> None:
    base = await layer(snapshotter, "base", None, a="1")
    top = await layer(snapshotter, "top", base, b="2")
    for key, names in ((base, ["a"]), (top, ["a", "b"])):
        with pytest.raises(Conflict):
            await snapshotter.mount(key, target)
        await snapshotter.mount(key, target, readonly=True)
        assert sorted(os.listdir(target)) == names
        await snapshotter.unmount(target)


async def test_an_image_without_layers(snapshotter: Snapshotter, target: Path) -> None:
    await snapshotter.prepare("container", None)
    await snapshotter.mount("container", target)
    (target / "a").write_text("x")
    await snapshotter.unmount(target)
    await snapshotter.mount("container", target)
    assert (target / "a").read_text() == "x"
    await snapshotter.unmount(target)


async def test_keys(snapshotter: Snapshotter) -> None:
    base = await layer(snapshotter, "base", None)
    with pytest.raises(Conflict):
        await snapshotter.prepare(base, None)
    await snapshotter.prepare("container", base)
    with pytest.raises(Conflict):
        await snapshotter.prepare("container", base)
    with pytest.raises(Conflict):
        await snapshotter.prepare("other", "container")
    with pytest.raises(Conflict):
        await snapshotter.commit("container", base, USAGE)
    with pytest.raises(Conflict):
        await snapshotter.commit(base, "again", USAGE)
    for unknown in (
        snapshotter.prepare("x", "nothing"),
        snapshotter.commit("nothing", "y", USAGE),
        snapshotter.usage("nothing"),
        snapshotter.remove("nothing"),
        snapshotter.mount("nothing", Path("/nowhere")),
    ):
        with pytest.raises(NotFound):
            await unknown
    with pytest.raises(NotFound):
        snapshotter.upper("nothing")
    assert set(snapshotter.all()) == {"base", "container"}


async def test_two_that_get_a_name_at_once(snapshotter: Snapshotter) -> None:
    await snapshotter.prepare("one", None)
    await snapshotter.prepare("two", None)
    commits = (snapshotter.commit("one", "layer", USAGE), snapshotter.commit("two", "layer", USAGE))
    first, second = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(first, Snapshot) and isinstance(second, Conflict)
    assert set(snapshotter.all()) == {"layer", "two"}


async def test_what_stands_on_something_or_is_mounted_stays(snapshotter: Snapshotter, target: Path) -> None:
    base = await layer(snapshotter, "base", None)
    await snapshotter.prepare("container", base)
    with pytest.raises(Conflict, match="standing on it"):
        await snapshotter.remove(base)
    await snapshotter.mount("container", target)
    with pytest.raises(Conflict, match="mounted"):
        await snapshotter.remove("container")
    await snapshotter.unmount(target)
    await snapshotter.remove("container")
    await snapshotter.remove(base)


async def test_mounting_twice_is_mounting_once(snapshotter: Snapshotter, target: Path) -> None:
    base = await layer(snapshotter, "base", None, a="a")
    await snapshotter.prepare("container", base)
    await snapshotter.mount("container", target)
    (target / "own").write_text("mine")
    await snapshotter.mount("container", target)
    assert (target / "own").read_text() == "mine"
    await snapshotter.unmount(target)
    assert os.listdir(target) == []


async def test_unmounting_nothing(snapshotter: Snapshotter, target: Path) -> None:
    await snapshotter.unmount(target)
    await snapshotter.unmount(target / "missing")


async def test_usage_of_a_layer_is_what_it_was_committed_with(snapshotter: Snapshotter) -> None:
    base = await layer(snapshotter, "base", None, a="whatever")
    assert await snapshotter.usage(base) == USAGE
    assert snapshotter.all()[base].usage == USAGE


@pytest.mark.system
async def test_what_others_mounted_of_it_is_theirs_to_take_away(tmp_path: Path, target: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    async with overlay(tmp_path) as first:
        await first.prepare("container", await layer(first, "base", None))
        await first.mount("container", target)
        (target / "below").mkdir()
        mounts.bind(target / "below", part)
    async with overlay(tmp_path) as second:
        await second.unmount(target)
        with pytest.raises(Conflict, match="mounted"):
            await second.remove("container")
        mounts.unmount(part)
        await second.remove("container")
