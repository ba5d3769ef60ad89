"""Control groups in both shapes, on trees of plain files."""

from pathlib import Path

import pytest

from havre.errors import NotFound, SystemFault
from havre.kernel.cgroups import Cgroups

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
"""
HYBRID = V1 + "35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


def test_shapes_are_told_apart() -> None:
    assert Cgroups.detect(V2).version == 2
    one = Cgroups.detect(V1)
    assert (one.version, one.unified) == (1, None)
    assert one.trees["cpu"] == one.trees["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    hybrid = Cgroups.detect(HYBRID)
    assert (hybrid.version, hybrid.unified) == (1, Path("/sys/fs/cgroup/unified"))
    assert "memory" in hybrid.controllers


def test_a_host_without_cgroups_is_refused() -> None:
    with pytest.raises(SystemFault, match="no cgroup"):
        Cgroups.detect("1 0 0:1 / / rw - ext4 /dev/sda rw\n")


def test_directories_of_a_group_are_each_named_once() -> None:
    names = [str(path) for path in Cgroups.detect(HYBRID).directories("/havre/x")]
    assert len(names) == len(set(names)) == 5
    assert Cgroups.detect(V2).directories("/havre/x") == [Path("/sys/fs/cgroup/havre/x")]


def fake(tmp_path: Path, version: int) -> Cgroups:
    if version == 2:
        return Cgroups(2, {"": tmp_path}, tmp_path)
    return Cgroups(1, {name: tmp_path / name for name in ("memory", "freezer")})


@pytest.mark.parametrize("version", [1, 2])
def test_processes_of_a_group_and_below(tmp_path: Path, version: int) -> None:
    cgroups = fake(tmp_path, version)
    for directory, text in zip(cgroups.directories("/havre/x"), ("1\n2\n", "2\n"), strict=False):
        (directory / "inner").mkdir(parents=True)
        (directory / "cgroup.procs").write_text(text)
        (directory / "inner" / "cgroup.procs").write_text("7\n")
    assert sorted(cgroups.pids("/havre/x")) == [1, 2, 7]
    assert cgroups.pids("/havre/none") == []


@pytest.mark.parametrize("version", [1, 2])
def test_out_of_memory_kills_are_counted(tmp_path: Path, version: int) -> None:
    cgroups = fake(tmp_path, version)
    directory = cgroups.directory("/x", "memory")
    directory.mkdir(parents=True)
    name = "memory.events" if version == 2 else "memory.oom_control"
    (directory / name).write_text("low 0\noom_kill 3\n" if version == 2 else "oom_kill_disable 0\noom_kill 3\n")
    assert cgroups.oom_kills("/x") == 3
    assert cgroups.oom_kills("/gone") == 0


@pytest.mark.parametrize("version", [1, 2])
def test_removing_takes_nested_groups_too(tmp_path: Path, version: int) -> None:
    cgroups = fake(tmp_path, version)
    for directory in cgroups.directories("/havre/x"):
        (directory / "a" / "b").mkdir(parents=True)
    cgroups.remove("/havre/x")
    assert not any(directory.exists() for directory in cgroups.directories("/havre/x"))
    cgroups.remove("/havre/x")


def test_freezing_v2_waits_for_the_kernels_word(tmp_path: Path) -> None:
    cgroups = fake(tmp_path, 2)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    cgroups.freeze("/x")
    assert (tmp_path / "x" / "cgroup.freeze").read_text() == "1"


def test_freezing_v1_writes_the_state(tmp_path: Path) -> None:
    cgroups = fake(tmp_path, 1)
    (tmp_path / "freezer" / "x").mkdir(parents=True)
    cgroups.freeze("/x")
    assert (tmp_path / "freezer" / "x" / "freezer.state").read_text() == "FROZEN"


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_that_does_not_freeze_goes_on(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("havre.kernel.cgroups._FREEZE_ATTEMPTS", 3)
    monkeypatch.setattr(Cgroups, "_is_frozen", lambda self, file: False)
    cgroups = fake(tmp_path, version)
    file = cgroups._freezer("/x")
    file.parent.mkdir(parents=True)
    with pytest.raises(SystemFault, match="did not become frozen"):
        cgroups.freeze("/x")
    assert file.read_text() == ("THAWED" if version == 1 else "0")


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_that_is_gone_cannot_be_frozen_but_is_thawed(tmp_path: Path, version: int) -> None:
    cgroups = fake(tmp_path, version)
    with pytest.raises(NotFound):
        cgroups.freeze("/x")
    cgroups.thaw("/x")


def test_killing_a_frozen_v1_group_thaws_it(tmp_path: Path) -> None:
    cgroups = fake(tmp_path, 1)
    (tmp_path / "freezer" / "x" / "own" / "of it").mkdir(parents=True)
    groups = ("/x", "/x/own/of it")
    for group in groups:
        cgroups.freeze(group)
    cgroups.kill("/x")
    for group in groups:
        assert (tmp_path / "freezer" / group[1:] / "freezer.state").read_text() == "THAWED"
