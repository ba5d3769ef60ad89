"""Keeping and putting back the limits of a group, on trees of plain files."""

from pathlib import Path

import pytest

from havre.kernel import cgroupfiles
from havre.kernel.cgroups import Cgroups

V1 = {
    "memory": {"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "2000"},
    "cpu": {"cpu.shares": "1024", "cpu.cfs_quota_us": "-1"},
    "cpuset": {"cpuset.cpus": "0-1", "cpuset.mems": "0"},
    "blkio": {},
}
V2 = {"memory.max": "1000", "memory.swap.max": "max", "cpu.max": "max 100000", "cpuset.cpus": "", "pids.max": "max"}


def version_1(root: Path) -> Cgroups:
    for tree, files in V1.items():
        (root / tree / "havre" / "x").mkdir(parents=True)
        for name, text in files.items():
            (root / tree / "havre" / "x" / name).write_text(text + "\n")
    return Cgroups(1, {tree: root / tree for tree in V1})


def version_2(root: Path) -> Cgroups:
    (root / "havre" / "x").mkdir(parents=True)
    for name, text in V2.items():
        (root / "havre" / "x" / name).write_text(text + "\n")
    return Cgroups(2, {"": root}, root)


@pytest.mark.parametrize("make", [version_1, version_2])
def test_what_is_kept_is_put_back(tmp_path: Path, make: object) -> None:
    assert callable(make)
    cgroups = make(tmp_path)
    held = cgroupfiles.keep(cgroups, "/havre/x")
    assert len(held) == (6 if cgroups.version == 1 else 5)
    for file in held:
        file.write_text("changed")
    cgroupfiles.put_back(held)
    assert {file: file.read_text().strip() for file in held} == held


def test_rules_for_devices(tmp_path: Path) -> None:
    rules = [{"major": 8, "minor": 0, "rate": 1048576}]
    one, two = version_1(tmp_path / "1"), version_2(tmp_path / "2")
    cgroupfiles.throttle(one, "/havre/x", "write_bps", rules)
    assert (tmp_path / "1/blkio/havre/x/blkio.throttle.write_bps_device").read_text() == "8:0 1048576"
    cgroupfiles.throttle(two, "/havre/x", "write_bps", rules)
    assert (tmp_path / "2/havre/x/io.max").read_text() == "8:0 wbps=1048576"
    cgroupfiles.throttle(two, "/havre/x", "read_iops", [{"major": 8, "minor": 0, "rate": 0}])
    assert (tmp_path / "2/havre/x/io.max").read_text() == "8:0 riops=max"
