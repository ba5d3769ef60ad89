"""kill -9 at every effect of an operation, then a restart: nothing acknowledged is lost, nothing orphaned or doubled.

A bystander container runs all the time and must never notice.
"""

import itertools
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.faults import Fragile, each_point
from tests.system.harness import Answer, Havred, wait_until
from tests.system.images import digest
from tests.system.registry import OCI_MANIFEST, Registry
from tests.system.residue import processes, residue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNTING = "i=0; while :; do echo $i; i=$((i + 1)); sleep 0.02; done"
SLEEPER = {"Image": "busybox", "Cmd": ["sleep", "100000"]}
PORTS = {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}}


class Scene:
    """A fragile daemon with a bystander, and what is checked of them."""

    def __init__(self, daemon: Havred) -> None:
        self.daemon = daemon
        self.fragile = Fragile(daemon)
        self.fragile.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        self.bystander = self.create("bystander", {"Image": "busybox", "Cmd": ["sh", "-c", COUNTING], **PORTS})
        self.ok(daemon.api("POST", "/containers/bystander/start"))
        state = daemon.inspect("bystander")["State"]
        self.identity = (state["Pid"], state["StartedAt"])
        self.disk = self.on_disk()
        self.acknowledged = False

    def ok(self, answer: Answer) -> Answer:
        assert answer.status < 400, answer
        return answer

    def create(self, name: str, body: Mapping[str, object] = SLEEPER) -> str:
        id: str = self.ok(self.daemon.api("POST", "/containers/create", body, name=name)).json()["Id"]
        self.daemon.ids_seen.add(id)
        return id

    def act(self, method: str, path: str, body: object = None, **query: Any) -> None:
        """The operation under test; notes whether it was acknowledged."""
        self.acknowledged = False
        answer = self.daemon.api(method, path, body, **query)
        self.acknowledged = answer.status < 400 and b"errorDetail" not in answer.body

    def names(self) -> list[str]:
        return sorted(name for container in self.daemon.containers() for name in container["Names"])

    def remove_victim(self) -> None:
        self.daemon.note_containers()
        assert self.daemon.api("DELETE", "/containers/victim?force=1&v=1").status in (204, 404)

    def on_disk(self) -> set[str]:
        """Blobs, layers and half-fetched blobs that lie there."""
        places = ("blobs/sha256", "snapshots", "ingest", "volumes", "tmp")
        return {str(path) for place in places for path in (self.daemon.data_root / place).glob("*")}

    def check(self, living: set[str] | frozenset[str] = frozenset()) -> None:
        """The bystander never noticed, and besides it and ``living`` there is nothing."""
        state = self.daemon.inspect("bystander")["State"]
        assert state["Running"] and (state["Pid"], state["StartedAt"]) == self.identity
        lines = self.daemon.api("GET", "/containers/bystander/logs?stdout=1").body
        numbers = [int(frame[8:]) for frame in _frames(lines)]
        assert numbers == list(range(len(numbers))), "lines of the log are missing or doubled"
        alive = {self.bystander, *living}
        wait_until(
            lambda: not residue(self.daemon, alive), "nothing to be left",
            lambda: "\n".join(residue(self.daemon, alive)), patience=10,
        )  # fmt: skip

    def check_disk(self) -> None:
        wait_until(
            lambda: self.on_disk() == self.disk, "the disk to be as before",
            lambda: f"more: {self.on_disk() - self.disk}; less: {self.disk - self.on_disk()}", patience=10,
        )  # fmt: skip


def _frames(data: bytes) -> Iterator[bytes]:
    while data:
        length = int.from_bytes(data[4:8], "big")
        yield data[: 8 + length]
        data = data[8 + length :]


@pytest.fixture
def scene(new_havred: NewDaemon) -> Scene:
    return Scene(new_havred())


def test_create(scene: Scene) -> None:
    def act() -> None:
        scene.act("POST", "/containers/create", {**SLEEPER, "Volumes": {"/data": {}}}, name="victim")

    for point in each_point(scene.fragile, lambda: None, act, scene.remove_victim):
        there = scene.names().count("/victim")
        assert there == 1 if scene.acknowledged else there in (0, 1), point
        if there:
            scene.ok(scene.daemon.api("POST", "/containers/victim/start"))
            assert scene.daemon.inspect("victim")["State"]["Running"]
        scene.remove_victim()
        scene.check()
        # An anonymous volume made for a container that never was is an orphan too.
        scene.check_disk()


def test_start(scene: Scene) -> None:
    def prepare() -> None:
        scene.create("victim", {**SLEEPER, **PORTS})

    def act() -> None:
        scene.act("POST", "/containers/victim/start")

    for point in each_point(scene.fragile, prepare, act, scene.remove_victim):
        state = scene.daemon.inspect("victim")["State"]
        assert state["Running"] or not scene.acknowledged, point
        if state["Running"]:
            assert Path(f"/proc/{state['Pid']}").exists(), point
            scene.check({scene.daemon.inspect("victim")["Id"]})
        else:
            assert scene.daemon.api("POST", "/containers/victim/start").status == 204, point
        scene.remove_victim()
        scene.check()


def test_what_is_mounted_for_a_container(scene: Scene) -> None:
    """An image, a part of a volume and a shared /dev/shm: of no create and no start is anything left, or lost."""
    part = {"Type": "volume", "Source": "parts", "Target": "/part", "VolumeOptions": {"Subpath": "bin"}}
    mounts = [{"Type": "image", "Source": "busybox", "Target": "/image"}, part]
    body = {**SLEEPER, "HostConfig": {"Mounts": mounts, "IpcMode": "shareable"}}
    scene.daemon.api("POST", "/volumes/create", {"Name": "parts"})
    (scene.daemon.data_root / "volumes/parts/_data/bin").mkdir()
    scene.disk = scene.on_disk()

    def act() -> None:
        scene.act("POST", "/containers/create", body, name="victim")
        scene.act("POST", "/containers/victim/start")

    for point in each_point(scene.fragile, lambda: None, act, scene.remove_victim):
        if scene.names().count("/victim"):
            if not scene.daemon.inspect("victim")["State"]["Running"]:
                assert not scene.acknowledged, point
                assert scene.daemon.api("POST", "/containers/victim/start").status == 204, point
            scene.check({scene.daemon.inspect("victim")["Id"]})
            assert scene.daemon.api("HEAD", "/containers/victim/archive?path=/image/bin/sh").status == 200, point
        scene.remove_victim()
        scene.check()
        scene.check_disk()


def test_exec(scene: Scene) -> None:
    def act() -> None:
        created = scene.daemon.api("POST", "/containers/bystander/exec", {"Cmd": ["true"], "AttachStdout": True})
        scene.act("POST", f"/exec/{created.json()['Id']}/start", {"Detach": False})

    for _ in each_point(scene.fragile, lambda: None, act, lambda: None):
        scene.check()
        wait_until(
            lambda: len(processes(scene.daemon)) == 1, "one conmon to be left",
            lambda: "\n".join(processes(scene.daemon)), patience=10,
        )  # fmt: skip
        again = scene.daemon.api("POST", "/containers/bystander/exec", {"Cmd": ["echo", "x"], "AttachStdout": True})
        said = scene.daemon.api("POST", f"/exec/{again.json()['Id']}/start", {"Detach": False})
        assert said.body.endswith(b"x\n")


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_remove(scene: Scene, running: bool) -> None:
    def prepare() -> None:
        scene.create("victim", {**SLEEPER, **PORTS, "Volumes": {"/data": {}}})
        if running:
            scene.ok(scene.daemon.api("POST", "/containers/victim/start"))

    for point in each_point(
        scene.fragile, prepare, lambda: scene.act("DELETE", "/containers/victim?force=1&v=1"), scene.remove_victim
    ):
        there = scene.names().count("/victim")
        assert there == 0 if scene.acknowledged else there in (0, 1), point
        scene.remove_victim()
        scene.check()
        scene.check_disk()


def _remove_image(scene: Scene, reference: str) -> None:
    assert scene.daemon.api("DELETE", f"/images/{reference}?force=1").status in (200, 404)


def _usable(scene: Scene, reference: str) -> bool:
    """Whether the image is there; if so, a container of it must see its files."""
    if scene.daemon.api("GET", f"/images/{reference}/json").status == 404:
        return False
    scene.create("victim", {"Image": reference, "Cmd": ["cat", "/proof"]})
    scene.ok(scene.daemon.api("POST", "/containers/victim/start"))
    assert scene.daemon.api("POST", "/containers/victim/wait").json()["StatusCode"] == 0
    assert b"proof of it" in scene.daemon.api("GET", "/containers/victim/logs?stdout=1").body
    scene.remove_victim()
    return True


def two_layers(name: str) -> images.BuiltImage:
    first = images.busybox().derive(f"{name}-base", files=[images.Entry("base", b"base" * 50_000)])
    return first.derive(name, files=[images.Entry("proof", b"proof of it")])


def test_load(scene: Scene) -> None:
    archive = two_layers("crash-load").archive("loaded:1").read_bytes()
    for _ in each_point(
        scene.fragile,
        lambda: None,
        lambda: scene.act("POST", "/images/load", archive),
        lambda: _remove_image(scene, "loaded:1"),
    ):
        assert _usable(scene, "loaded:1") or not scene.acknowledged
        scene.daemon.load(two_layers("crash-load").archive("loaded:1"))
        assert _usable(scene, "loaded:1")
        _remove_image(scene, "loaded:1")
        scene.check()
        scene.check_disk()


def test_pull(scene: Scene, registry: Registry) -> None:
    reference = registry.push(two_layers("crash-pull"), "crash/pull").reference
    name, tag = reference.rsplit(":", 1)

    def pull() -> None:
        scene.act("POST", "/images/create", fromImage=name, tag=tag)

    for _ in each_point(scene.fragile, lambda: None, pull, lambda: _remove_image(scene, reference)):
        assert _usable(scene, reference) or not scene.acknowledged
        pull()
        assert scene.acknowledged and _usable(scene, reference)
        _remove_image(scene, reference)
        scene.check()
        scene.check_disk()


def test_push(scene: Scene, registry: Registry) -> None:
    """Whatever was sent, the next push makes it whole, with one digest; what was compressed goes with its image."""
    image = two_layers("crash-push")
    count = itertools.count()
    digests = set()
    name = ""

    def prepare() -> None:
        nonlocal name
        name = f"crash/push{next(count)}"
        scene.daemon.load(image.archive(f"{registry.host}/{name}:1"))

    def push() -> None:
        scene.act("POST", f"/images/{registry.host}/{name}/push", tag="1")

    def tidy() -> None:
        _remove_image(scene, f"{registry.host}/{name}:1")

    # The bystander's image has a layer of it, whose compressed form stays with that.
    scene.ok(scene.daemon.api("POST", "/images/busybox/tag", repo=f"{registry.host}/crash/base"))
    scene.act("POST", f"/images/{registry.host}/crash/base/push", tag="latest")
    _remove_image(scene, f"{registry.host}/crash/base")
    scene.disk = scene.on_disk()
    for point in each_point(scene.fragile, prepare, push, tidy):
        if scene.acknowledged:
            assert registry.fetch(f"/v2/{name}/manifests/1", {"Accept": OCI_MANIFEST}), point
        push()
        assert scene.acknowledged, point
        digests.add(digest(registry.fetch(f"/v2/{name}/manifests/1", {"Accept": OCI_MANIFEST})))
        assert len(digests) == 1 and _usable(scene, f"{registry.host}/{name}:1"), point
        tidy()
        scene.check()
        scene.check_disk()


def test_commit(scene: Scene) -> None:
    """Neither half an image nor an orphan, and a container that does not stay paused."""
    changes = f"echo proof of it >/proof; ln /proof /hard; mkdir -p /deep/er; rm /etc/group; {COUNTING}"
    source = scene.create("source", {"Image": "busybox", "Cmd": ["sh", "-c", changes]})
    scene.ok(scene.daemon.api("POST", "/containers/source/start"))
    wait_until(lambda: _count(scene) > 0, "the changes")
    scene.disk = scene.on_disk()

    def commit() -> None:
        scene.act("POST", "/commit", container="source", repo="committed")

    for point in each_point(scene.fragile, lambda: None, commit, lambda: _remove_image(scene, "committed")):
        assert scene.daemon.inspect("source")["State"]["Status"] == "running", point
        before = _count(scene)
        wait_until(lambda before=before: _count(scene) > before, "the source to go on")  # type: ignore[misc]
        if not _usable(scene, "committed"):
            assert not scene.acknowledged, point
            scene.check_disk()
        # A second image would only take the name from the first.
        _remove_image(scene, "committed")
        commit()
        assert scene.acknowledged and _usable(scene, "committed"), point
        _remove_image(scene, "committed")
        scene.check({source})
        scene.check_disk()


def _count(scene: Scene) -> int:
    """The lines that ``source`` has written."""
    return scene.daemon.api("GET", "/containers/source/logs?stdout=1").body.count(b"\n")


def test_recovery_itself(scene: Scene) -> None:
    """The daemon dies while it recovers from having died: the one after that finds all in order."""
    number = 1
    while True:
        scene.create("victim", {**SLEEPER, **PORTS})
        scene.ok(scene.daemon.api("POST", "/containers/victim/start"))
        pid = scene.daemon.inspect("victim")["State"]["Pid"]
        scene.daemon.kill()
        os.kill(pid, signal.SIGKILL)
        scene.fragile.start(at_start=number)
        survived = not scene.fragile.dead
        if survived:
            scene.daemon.kill()
        else:
            scene.daemon.wait_dead()
        scene.fragile.start()
        state = scene.daemon.inspect("victim")["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 137)
        scene.remove_victim()
        scene.check()
        if survived:
            break
        number += 5


def test_a_plain_kill_is_not_noticed(scene: Scene) -> None:
    """Attach, wait, logs and exec go on with the next daemon; an exit in between is not lost."""
    daemon = scene.daemon
    scene.create("victim", {"Image": "busybox", "Cmd": ["sh", "-c", "sleep 0.5; exit 7"]})
    scene.ok(daemon.api("POST", "/containers/victim/start"))
    daemon.kill()
    wait_until(lambda: not _lives(scene, "sleep 0.5"), "the victim to end while there is no daemon")
    scene.fragile.start()
    state = daemon.inspect("victim")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 7)
    assert daemon.api("POST", "/containers/victim/wait").json()["StatusCode"] == 7
    assert json.loads(daemon.api("GET", "/containers/json").body)[0]["Names"] == ["/bystander"]
    scene.remove_victim()
    scene.check()


def _lives(scene: Scene, command: str) -> bool:
    words = command.encode().replace(b" ", b"\0")
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and words in (entry / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False
