"""Volumes that a plugin keeps: Docker's plugin protocol, with a plugin that answers, is slow, lies or is dead."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import Havred, wait_until
from tests.system.programs import Program
from tests.system.volumeplugin import VolumePlugin, slow

SLEEPER = ("busybox", "sleep", "100000")
DAEMON_PATIENCE = 3


@dataclass
class Place:
    daemon: Havred
    docker: Program
    plugin: VolumePlugin
    root: Path

    @property
    def env(self) -> dict[str, str]:
        return {"HAVRE_PLUGIN_ROOT": str(self.root), "HAVRE_PLUGIN_TIMEOUT": str(DAEMON_PATIENCE)}


@pytest.fixture
def place(new_havred: NewDaemon, tmp_path: Path) -> Iterator[Place]:
    daemon = new_havred()
    root = daemon.exec_root / "host"
    plugin = VolumePlugin("keeper", root / "run/docker/plugins", tmp_path / "kept")
    found = Place(daemon, docker_for(daemon, tmp_path), plugin, root)
    with plugin:
        daemon.start(env=found.env)
        daemon.load(images.busybox().archive("busybox:latest"))
        yield found
        plugin.answers.clear()
        plugin.listen()
        daemon.clean()


def test_the_life_of_a_volume(place: Place) -> None:
    docker, plugin = place.docker, place.plugin
    docker("volume", "create", "-d", "keeper", "-o", "a=b", "--label", "x=y", "data")
    assert plugin.called("Create") == [{"Name": "data", "Opts": {"a": "b"}}]
    docker("volume", "create", "-d", "keeper", "data")
    assert len(plugin.called("Create")) == 1
    found = json.loads(docker("volume", "inspect", "data").out)[0]
    assert {key: found[key] for key in ("Driver", "Labels", "Mountpoint", "Options", "Scope", "Status")} == {
        "Driver": "keeper",
        "Labels": {"x": "y"},
        "Mountpoint": str(plugin.home / "data"),
        "Options": {"a": "b"},
        "Scope": "global",
        "Status": {"kept": "well"},
    }
    assert docker("info", "-f", "{{json .Plugins.Volume}}").out == '["keeper","local"]\n'
    docker("run", "-d", "--name", "one", "-v", "data:/etc", *SLEEPER)
    assert (plugin.home / "data" / "passwd").exists()
    docker("run", "-d", "--name", "two", "-v", "data:/v", *SLEEPER)
    mounts = plugin.called("Mount")
    assert len({call["ID"] for call in mounts}) == 2 and {call["Name"] for call in mounts} == {"data"}
    docker("exec", "two", "touch", "/v/mine")
    assert docker("exec", "one", "ls", "/etc/mine").out == "/etc/mine\n"
    assert docker("inspect", "-f", "{{(index .Mounts 0).Driver}}", "two").out == "keeper\n"
    assert "volume is in use" in docker("volume", "rm", "data", code=1).err
    docker("rm", "-f", "one", "two")
    wait_until(lambda: not plugin.mounted["data"], "all uses to be unmounted")
    assert sorted(call["ID"] for call in plugin.called("Unmount")) == sorted(call["ID"] for call in mounts)
    docker("volume", "rm", "data")
    assert not plugin.volumes and docker("volume", "ls", "-q").out == ""


def test_volumes_the_plugin_has_by_itself(place: Place) -> None:
    docker, plugin = place.docker, place.plugin
    plugin.answer("VolumeDriver.Create", {"Name": "foreign"})
    assert docker("volume", "ls", "--filter", "driver=keeper", "--format", "{{.Name}} {{.Driver}}").out == (
        "foreign keeper\n"
    )
    assert json.loads(docker("volume", "inspect", "foreign").out)[0]["Driver"] == "keeper"
    docker("run", "--rm", "-v", "foreign:/v", "busybox", "touch", "/v/x")
    assert (plugin.home / "foreign" / "x").exists()
    docker("volume", "rm", "foreign")
    assert not plugin.volumes


def test_what_a_plugin_refuses(place: Place) -> None:
    docker, plugin = place.docker, place.plugin
    plugin.answers["Create"] = "no room"
    assert docker("volume", "create", "-d", "keeper", "data", code=1).err == (
        "Error response from daemon: create data: no room\n"
    )
    plugin.answers["Create"] = (500, {"Err": "broken"})
    assert docker("volume", "create", "-d", "keeper", "data", code=1).err == (
        "Error response from daemon: create data: VolumeDriver.Create: broken\n"
    )
    plugin.answers.clear()
    docker("volume", "create", "-d", "keeper", "data")
    plugin.answers["Mount"] = "not today"
    error = docker("run", "--rm", "-v", "data:/v", "busybox", "true", code=125).err
    assert "error while mounting volume" in error and "not today" in error
    assert not plugin.called("Unmount")
    plugin.answers = {"Remove": "keeps it"}
    assert docker("volume", "rm", "data", code=1).err == "Error response from daemon: remove data: keeps it\n"
    assert docker("volume", "create", "-d", "none", "data2", code=1).err == (
        'Error response from daemon: create data2: error looking up volume plugin none: plugin "none" not found\n'
    )


@pytest.mark.parametrize(
    "answer",
    [
        *((200, b"nonsense"), (200, []), {}, {"Mountpoint": "../etc"}, {"Mountpoint": 7}, (200, b"x" * (9 << 20))),
        *({"Mountpoint": "/" + "x" * 10_000}, (200, b"[" * 100_000)),
    ],
)
def test_a_plugin_that_lies(place: Place, answer: object) -> None:
    docker, plugin = place.docker, place.plugin
    docker("volume", "create", "-d", "keeper", "data")
    plugin.answers["Mount"] = answer
    told = docker("run", "--rm", "-v", "data:/v", "busybox", "true", code=125).err
    assert "data" in told and "internal error" not in told
    plugin.answers = {"List": answer, "Get": answer, "Capabilities": answer}
    docker("volume", "ls")
    docker("info")


def test_a_plugin_that_is_slow(place: Place) -> None:
    """It costs whoever asks for it some time, and nobody else any."""
    docker, plugin = place.docker, place.plugin
    docker("volume", "create", "-d", "keeper", "data")
    docker("run", "-d", "--name", "user", "-v", "data:/v", *SLEEPER)
    plugin.answers["Unmount"] = plugin.answers["List"] = plugin.answers["Mount"] = slow(120)
    docker("rm", "-f", "user")
    docker("volume", "ls")
    warnings = place.daemon.api("GET", "/volumes").json()["Warnings"]
    assert len(warnings) == 1 and "keeper" in warnings[0]
    assert "context deadline exceeded" in docker("run", "--rm", "-v", "data:/v", "busybox", "true", code=125).err
    docker("run", "--rm", "-v", "plain:/v", "busybox", "true")
    place.daemon.stop()
    plugin.answers.clear()
    place.daemon.start(env=place.env)
    wait_until(lambda: not plugin.mounted["data"], "what was not unmounted to be so")
    docker("volume", "rm", "data")


def test_a_plugin_that_is_dead(place: Place) -> None:
    docker, plugin = place.docker, place.plugin
    docker("volume", "create", "-d", "keeper", "data")
    docker("run", "-d", "--name", "user", "-v", "data:/v", *SLEEPER)
    plugin.close()
    docker("volume", "ls")
    docker("rm", "-f", "user")
    error = docker("run", "--rm", "-v", "data:/v", "busybox", "true", code=125).err
    assert "connection refused" in error
    plugin.listen()
    docker("run", "--rm", "-v", "data:/v", "busybox", "true")
    docker("run", "-d", "--name", "user", "-v", "data:/v", *SLEEPER)
    plugin.close()
    assert "remove data: volume is in use" in docker("volume", "rm", "-f", "data", code=1).err
    docker("rm", "-f", "user")
    assert "connection refused" in docker("volume", "rm", "data", code=1).err
    assert docker("volume", "rm", "-f", "data").out == "data\n"
    assert "data" not in docker("volume", "ls", "-q").out


def test_the_daemon_is_killed(place: Place) -> None:
    docker, plugin = place.docker, place.plugin
    docker("volume", "create", "-d", "keeper", "data")
    docker("run", "-d", "--name", "stays", "-v", "data:/v", *SLEEPER)
    docker("run", "-d", "--name", "ends", "-v", "data:/v", *SLEEPER)
    stays, ends = (call["ID"] for call in plugin.called("Mount"))
    pid = docker("inspect", "-f", "{{.State.Pid}}", "ends").out.strip()
    place.daemon.kill()
    os.kill(int(pid), signal.SIGKILL)
    place.daemon.start(env=place.env)
    wait_until(lambda: plugin.mounted["data"] == {stays}, "the use of the one that ended to be unmounted")
    docker("rm", "-f", "stays")
    wait_until(lambda: not plugin.mounted["data"], "the last use to be unmounted")
    assert [call["ID"] for call in plugin.called("Unmount")] == [ends, stays]


def test_addresses_in_files(place: Place) -> None:
    """A .spec with a URL, a .json with more, in a directory of its own; what is damaged is said."""
    specs = place.root / "etc/docker/plugins"
    specs.mkdir(parents=True)
    (specs / "spec.spec").write_text(f"unix://{place.plugin.path}\n")
    (specs / "document").mkdir()
    (specs / "document" / "document.json").write_text(
        json.dumps({"Name": "document", "Addr": f"unix://{place.plugin.path}"})
    )
    (specs / "broken.json").write_text("{")
    (specs / "nowhere.spec").write_text("gopher://x")
    for name in ("spec", "document"):
        place.docker("volume", "create", "-d", name, f"of-{name}")
        place.docker("run", "--rm", "-v", f"of-{name}:/v", "busybox", "true")
    for name in ("broken", "nowhere"):
        error = place.docker("volume", "create", "-d", name, "x1", code=1).err
        assert f"error looking up volume plugin {name}" in error
    place.docker("volume", "ls")
