"""Docker's volume verbs over a real store and a fake driver."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from havre.engine.container.mounts import WantedVolume
from havre.engine.events import Events
from havre.engine.volumebackings import Backings
from havre.engine.volumemounts import VolumeMounts
from havre.engine.volumes import Volumes
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import ALL
from havre.volume.plugins import PluginSettings
from havre.volume.plugins.drivers import PluginDrivers
from havre.volume.store import ANONYMOUS, VolumeStore
from havre.wire.filters import Filters
from tests.fakes.volume import FakeVolumeDriver

NONE = Filters()
PATIENCE = 30.0


class Users:
    """Which containers have which volume."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}

    def using_volume(self, name: str) -> list[str]:
        return self.of.get(name, [])


class World:
    """All the parts, and a way to start over as after a kill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = Users()
        self.events = Events()
        self.driver = FakeVolumeDriver(path / "volumes")
        (path / "volumes").mkdir()
        self.database = Database.open(path / "db", ALL)
        self.volumes = self.make()

    def make(self) -> Volumes:
        drivers = {"local": self.driver, "fake": self.driver}
        store, layout = VolumeStore(self.database), Layout(self.path / "data", self.path / "run")
        layout.prepare()
        plugins = PluginDrivers(PluginSettings(self.path / "plugins", ()))
        mounts = VolumeMounts(store, drivers, plugins, layout)
        return Volumes(store, drivers, Backings(drivers, plugins), mounts, self.users, self.events)

    def said(self) -> list[tuple[str, str]]:
        return [(event["Action"], event["Actor"]["ID"]) for event in self.events._recent]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.volumes.start()
    yield world
    await world.volumes.close()
    world.database.close()


async def create(world: World, name: str | None = "data", **labels: str) -> str:
    document = await world.volumes.create(name, "", {}, labels)
    found: str = document["Name"]
    return found


async def names(world: World, **filters: list[str]) -> list[str]:
    return [row["Name"] for row in (await world.volumes.list(Filters(filters)))["Volumes"]]


async def test_create(world: World) -> None:
    document = await world.volumes.create("data", "", {}, {"a": "b"})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("CreatedAt"))
    assert document == {
        "Driver": "fake",
        "Labels": {"a": "b"},
        "Mountpoint": str(world.driver.path("data")),
        "Name": "data",
        "Options": None,
        "Scope": "local",
    }
    assert world.driver.path("data").is_dir()
    assert world.said() == [("create", "data")]
    assert await world.volumes.inspect("data") == await world.volumes.create("data", "", {}, {})
    assert world.said() == [("create", "data")]


async def test_create_without_a_name(world: World) -> None:
    name = await create(world, None)
    assert re.fullmatch("[0-9a-f]{64}", name)
    assert (await world.volumes.inspect(name))["Labels"] == {ANONYMOUS: ""}


async def test_create_again_with_another_driver(world: World) -> None:
    await create(world)
    with pytest.raises(Conflict, match="create data: driver 'fake' already has volume 'data': volume"):
        await world.volumes.create("data", "local", {}, {})


async def test_create_with_what_is_not_there(world: World) -> None:
    with pytest.raises(NotFound, match='error looking up volume plugin nfs: plugin "nfs" not found'):
        await world.volumes.create("data", "nfs", {}, {})
    with pytest.raises(InvalidParameter, match='invalid option: "nonsense"'):
        await world.volumes.create("data", "", {"nonsense": "1"}, {})
    with pytest.raises(InvalidParameter, match="invalid characters"):
        await world.volumes.create("../data", "", {}, {})
    assert await names(world) == []


async def test_many_at_once_make_one(world: World) -> None:
    made = await asyncio.gather(*(create(world) for _ in range(20)))
    assert set(made) == {"data"}
    assert world.said() == [("create", "data")]


async def test_a_create_that_fails_leaves_no_record(world: World) -> None:
    world.driver.failing.add("create")
    with pytest.raises(OSError):
        await create(world)
    assert await names(world) == []


async def test_for_containers(world: World) -> None:
    name, driver, path = await world.volumes.for_container(WantedVolume("data", "local", {"a": "b"}))
    assert (name, path) == ("data", str(world.driver.path("data")))
    assert driver == "fake"
    anonymous, _, place = await world.volumes.for_container(WantedVolume(None, "local", {}))
    assert (await world.volumes.inspect(anonymous))["Labels"] == {ANONYMOUS: ""}
    assert anonymous in place and Path(place).is_dir()


async def test_list(world: World) -> None:
    for name in ("web-data", "db-data", "cache"):
        await create(world, name, tier=name.partition("-")[0])
    world.users.of["db-data"] = ["c1"]
    assert await names(world) == ["cache", "db-data", "web-data"]
    assert await names(world, name=["data"]) == ["db-data", "web-data"]
    assert await names(world, dangling=["true"]) == ["cache", "web-data"]
    assert await names(world, dangling=["0"]) == ["db-data"]
    assert await names(world, driver=["fake"]) == ["cache", "db-data", "web-data"]
    assert await names(world, driver=["nfs"]) == []
    assert await names(world, label=["tier=db"]) == ["db-data"]
    assert (await world.volumes.list(NONE))["Warnings"] is None
    with pytest.raises(InvalidParameter, match="invalid filter 'nonsense'"):
        await world.volumes.list(Filters({"nonsense": ["x"]}))


async def test_remove(world: World) -> None:
    await create(world)
    await world.volumes.remove("data", force=False)
    assert not world.driver.path("data").exists()
    assert await names(world) == []
    assert world.said() == [("create", "data"), ("destroy", "data")]
    with pytest.raises(NotFound, match="get data: no such volume"):
        await world.volumes.remove("data", force=False)
    await world.volumes.remove("data", force=True)


async def test_who_comes_after_a_removal_waits_for_those_who_waited_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = {verb: threading.Event() for verb in ("discard", "create")}

    def gated(verb: str, work: Callable[[str], None]) -> Callable[[str], None]:
        def wait(name: str) -> None:
            assert gates[verb].wait(PATIENCE)
            work(name)

        return wait

    await create(world)
    for verb in gates:
        monkeypatch.setattr(world.driver, verb, gated(verb, getattr(world.driver, verb)))
    removal = asyncio.create_task(world.volumes.remove("data", force=False))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(create(world))
    await asyncio.sleep(0)
    gates["discard"].set()
    await removal
    late = asyncio.create_task(world.volumes.remove("data", force=False))
    await asyncio.wait({late}, timeout=0.2)
    gates["create"].set()
    await asyncio.gather(waiting, late)
    assert await names(world) == []


async def test_remove_in_use(world: World) -> None:
    await create(world)
    world.users.of["data"] = ["c1", "c2"]
    for force in (False, True):
        with pytest.raises(Conflict, match=re.escape("remove data: volume is in use - [c1, c2]")):
            await world.volumes.remove("data", force=force)
    assert world.driver.path("data").is_dir()


async def test_discard(world: World) -> None:
    await create(world)
    await world.volumes.discard("data")
    await world.volumes.discard("data")
    assert await names(world) == []


async def test_prune(world: World) -> None:
    anonymous, used = await create(world, None), await create(world, None)
    await create(world, "named")
    await create(world, "kept", keep="1")
    world.users.of[used] = ["c1"]
    (world.driver.path(anonymous) / "file").write_bytes(b"x" * 100)
    assert await world.volumes.prune(NONE) == {"VolumesDeleted": [anonymous], "SpaceReclaimed": 100}
    with_all = Filters({"all": ["1"], "label!": ["keep"]})
    assert (await world.volumes.prune(with_all))["VolumesDeleted"] == ["named"]
    assert (await world.volumes.prune(Filters({"all": ["true"], "label": ["keep=1"]})))["VolumesDeleted"] == ["kept"]
    assert await names(world) == [used]
    assert ("prune", "") in world.said()
    with pytest.raises(InvalidParameter, match="invalid filter"):
        await world.volumes.prune(Filters({"until": ["1h"]}))


async def test_a_volume_that_cannot_be_removed_stops_no_prune(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take_away = world.driver.take_away

    def stuck(name: str) -> None:
        if name == "a1":
            raise OSError(5, "told to fail")
        take_away(name)

    monkeypatch.setattr(world.driver, "take_away", stuck)
    for name in ("a1", "b2"):
        await create(world, name)
    assert (await world.volumes.prune(Filters({"all": ["true"]})))["VolumesDeleted"] == ["b2"]
    assert await names(world) == ["a1"]


async def test_disk_usage(world: World) -> None:
    await create(world)
    (world.driver.path("data") / "file").write_bytes(b"x" * 100)
    world.users.of["data"] = ["c1"]
    (row,) = await world.volumes.disk_usage()
    assert row["UsageData"] == {"RefCount": 1, "Size": 100}


@pytest.mark.parametrize(("step", "survives"), [("take_away", True), ("discard", False)])
async def test_a_removal_cut_short(world: World, step: str, survives: bool) -> None:
    """Before the record is gone the volume is back with its files; afterwards nothing of it is left."""
    await create(world)
    (world.driver.path("data") / "file").write_text("kept")
    world.driver.failing.add(step)
    with pytest.raises(OSError):
        await world.volumes.remove("data", force=False)
    world.driver.failing.clear()
    world.volumes = world.make()
    await world.volumes.start()
    assert await names(world) == (["data"] if survives else [])
    if survives:
        assert (world.driver.path("data") / "file").read_text() == "kept"
    else:
        assert list((world.path / "volumes").iterdir()) == []


async def made_for(world: World, container: str) -> str:
    name, _, _ = await world.volumes.for_container(WantedVolume(None, "local", {}, container))
    return name


async def test_a_container_that_could_not_be_takes_its_volumes_along(world: World) -> None:
    await made_for(world, "c1")
    other = await made_for(world, "c2")
    await world.volumes.discard_made_for("c1")
    assert await names(world) == [other]


async def test_volumes_of_a_container_that_a_crash_swallowed(world: World) -> None:
    await create(world, "named")
    lost, known, kept = await made_for(world, "lost"), await made_for(world, "known"), await made_for(world, "removed")
    await world.volumes.keep(kept)
    again = world.make()
    await again.start()
    await again.drop_orphans({"known"})
    left = [volume["Name"] for volume in (await again.list(NONE))["Volumes"]]
    assert left == sorted(["named", known, kept]) and lost not in left
    await again.close()


async def test_a_lost_containers_volume_that_another_has_stays(world: World) -> None:
    shared = await made_for(world, "lost")
    world.users.of[shared] = ["other"]
    await world.volumes.drop_orphans({"other"})
    world.users.of.clear()
    await world.volumes.drop_orphans({"other"})
    assert await names(world) == [shared]
