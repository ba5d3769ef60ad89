"""Which limits a kernel has, on trees of plain files: those of v2 are as a 6.x kernel with systemd shows them."""

from pathlib import Path

import pytest

from havre.kernel.cgrouplimits import Support, detect
from havre.kernel.cgroups import Cgroups

V2_CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc dmem\n"
V2_GROUP = (
    "cgroup.controllers cgroup.events cgroup.freeze cgroup.kill cgroup.procs cpu.max cpu.weight cpuset.cpus "
    "cpuset.mems io.max io.weight memory.events memory.low memory.max memory.swap.max pids.max"
).split()


def v2(root: Path, controllers: str = V2_CONTROLLERS, group: tuple[str, ...] = tuple(V2_GROUP)) -> Cgroups:
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cpuset.cpus.effective").write_text("0-3\n")
    (root / "cpuset.mems.effective").write_text("0\n")
    (root / "system.slice").mkdir()
    for name in group:
        (root / "system.slice" / name).touch()
    return Cgroups(2, {"": root}, root)


def test_version_2_has_no_successor_of_some_limits(tmp_path: Path) -> None:
    support = detect(v2(tmp_path))
    assert (support.memory, support.swap, support.reservation, support.pids) == (True,) * 4
    assert (support.cpu_shares, support.cpu_quota, support.cpuset, support.cpus, support.mems) == (
        *(True, True, True),
        *("0-3", "0"),
    )
    assert (support.io_weight, support.io_read_bps, support.io_write_iops) == (True,) * 3
    assert (support.swappiness, support.oom_kill_disable, support.cpu_realtime) == (False,) * 3


def test_version_2_without_accounting_of_swap(tmp_path: Path) -> None:
    support = detect(v2(tmp_path, group=("memory.max",)))
    assert (support.memory, support.swap) == (True, False)


def test_version_2_with_few_controllers(tmp_path: Path) -> None:
    support = detect(v2(tmp_path, "memory pids\n"))
    assert (support.memory, support.pids, support.cpu_quota, support.io_weight, support.cpuset) == (
        *(True, True),
        *(False, False, False),
    )


def test_version_1_has_what_has_a_file(tmp_path: Path) -> None:
    files = {
        "memory": ["memory.limit_in_bytes", "memory.swappiness", "memory.oom_control"],
        "cpu": ["cpu.shares"],
        "blkio": ["blkio.throttle.read_bps_device"],
    }
    for tree, names in files.items():
        (tmp_path / tree).mkdir()
        for name in names:
            (tmp_path / tree / name).touch()
    support = detect(Cgroups(1, {tree: tmp_path / tree for tree in files}))
    assert support == Support(memory=True, swappiness=True, oom_kill_disable=True, cpu_shares=True, io_read_bps=True)


@pytest.mark.parametrize("version", [1, 2])
def test_no_tree_no_limit(tmp_path: Path, version: int) -> None:
    assert detect(Cgroups(version, {"": tmp_path} if version == 2 else {})) == Support()
