"""kill -9 at every effect of what is done to volumes: each is whole or gone, and nothing stays mounted or half made."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import NewDaemon
from tests.system.faults import each_point
from tests.system.residue import mounts
from tests.system.test_crash import SLEEPER, Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TMPFS = {"Name": "victim", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}


@pytest.fixture
def scene(new_havred: NewDaemon) -> Iterator[Scene]:
    yield Scene(new_havred())


def volumes(scene: Scene) -> list[str]:
    return [volume["Name"] for volume in scene.daemon.api("GET", "/volumes").json()["Volumes"]]


def files(scene: Scene, volume: str) -> list[str]:
    return sorted(path.name for path in (scene.daemon.data_root / "volumes" / volume / "_data").iterdir())


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return made.getvalue()


def test_create_and_remove(scene: Scene) -> None:
    def remove() -> None:
        assert scene.daemon.api("DELETE", "/volumes/victim?force=1").status == 204

    def create() -> None:
        scene.ok(scene.daemon.api("POST", "/volumes/create", {"Name": "victim"}))
        (Path(scene.daemon.data_root) / "volumes/victim/_data/file").touch()

    for point in each_point(
        scene.fragile, lambda: None, lambda: scene.act("POST", "/volumes/create", {"Name": "victim"}), remove
    ):
        assert volumes(scene) == ["victim"] if scene.acknowledged else volumes(scene) in ([], ["victim"]), point
        remove()
        scene.check_disk()
    for point in each_point(scene.fragile, create, lambda: scene.act("DELETE", "/volumes/victim"), remove):
        assert volumes(scene) == [] if scene.acknowledged else volumes(scene) in ([], ["victim"]), point
        assert not volumes(scene) or files(scene, "victim") == ["file"], point
        remove()
        scene.check_disk()


def test_a_volume_that_is_mounted(scene: Scene) -> None:
    body = {**SLEEPER, "HostConfig": {"Binds": ["victim:/v"]}}

    def prepare() -> None:
        scene.ok(scene.daemon.api("POST", "/volumes/create", TMPFS))
        scene.create("victim", body)

    def started() -> None:
        prepare()
        scene.ok(scene.daemon.api("POST", "/containers/victim/start"))

    def tidy() -> None:
        scene.remove_victim()
        assert scene.daemon.api("DELETE", "/volumes/victim?force=1").status == 204

    def check(point: int) -> None:
        known = scene.names().count("/victim")
        running = known and scene.daemon.inspect("victim")["State"]["Running"]
        place = str(scene.daemon.data_root / "volumes/victim/_data")
        assert mounts(scene.daemon).count(place) == (1 if running else 0), point
        assert len(list((scene.daemon.exec_root / "volumes").iterdir())) == (1 if running else 0), point

    for point in each_point(
        scene.fragile, prepare, lambda: scene.act("POST", "/containers/victim/start"), tidy
    ):  # fmt: skip
        check(point)
        tidy()
        scene.check()
        scene.check_disk()
    for point in each_point(
        scene.fragile, started, lambda: scene.act("DELETE", "/containers/victim?force=1"), tidy
    ):  # fmt: skip
        check(point)
        tidy()
        scene.check()
        scene.check_disk()


def test_copies(scene: Scene) -> None:
    """An import in the place of files, a clone, a snapshot and the way back to it: all of the old or all of the new."""
    old, new = archive("old1", "old2"), archive("new1", "new2", "new3")

    def prepare() -> None:
        scene.ok(scene.daemon.api("POST", "/havre/volumes/victim/import?replace=1", old))
        scene.ok(scene.daemon.api("POST", "/havre/volumes/victim/snapshots?name=before"))

    def act() -> None:
        for method, path, body in (
            ("POST", "/havre/volumes/victim/import?replace=1", new),
            ("POST", "/havre/volumes/victim/clone?to=clone", None),
            ("POST", "/havre/volumes/victim/snapshots?name=after", None),
            ("POST", "/havre/volumes/victim/snapshots/before/restore", None),
            ("DELETE", "/havre/volumes/victim/snapshots/before", None),
        ):
            scene.act(method, path, body)

    def tidy() -> None:
        for name in ("victim", "clone"):
            assert scene.daemon.api("DELETE", f"/volumes/{name}?force=1").status == 204

    before, after = ["old1", "old2"], ["new1", "new2", "new3"]
    for point in each_point(scene.fragile, prepare, act, tidy):
        assert files(scene, "victim") in (before, after), point
        assert "clone" not in volumes(scene) or files(scene, "clone") == after, point
        home = scene.daemon.data_root / "volumes/victim"
        for snapshot in scene.daemon.api("GET", "/havre/volumes/victim/snapshots").json():
            name = snapshot["Name"]
            found = sorted(path.name for path in (home / "snapshots" / name / "_data").iterdir())
            assert found == {"before": before, "after": after}[name], point
        assert not list(home.parent.glob("**/.making-*")), point
        assert not list(home.parent.glob(".ready-*")), point
        tidy()
        scene.check_disk()
