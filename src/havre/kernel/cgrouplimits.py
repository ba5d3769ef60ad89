"""Which limits the kernel can set on a container, by the files its control groups have.

A kernel may lack a controller or be built without a part of one; Docker then discards that limit and warns. On v1 a
file stands for each limit; on v2 a controller brings all of its own, and some limits of v1 have no successor.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from havre.kernel.cgroups import Cgroups


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What can be limited. ``cpus`` and ``mems`` are lists such as "0-3,5" of what exists."""

    memory: bool = False
    swap: bool = False
    reservation: bool = False
    swappiness: bool = False
    oom_kill_disable: bool = False
    kernel_tcp: bool = False
    cpu_shares: bool = False
    cpu_quota: bool = False
    cpu_realtime: bool = False
    cpuset: bool = False
    cpus: str = ""
    mems: str = ""
    pids: bool = False
    io_weight: bool = False
    io_weight_device: bool = False
    io_read_bps: bool = False
    io_write_bps: bool = False
    io_read_iops: bool = False
    io_write_iops: bool = False


# The file of v1 that a limit is written to, below the root of its controller.
_V1 = {
    "memory": ("memory", "memory.limit_in_bytes"),
    "swap": ("memory", "memory.memsw.limit_in_bytes"),
    "reservation": ("memory", "memory.soft_limit_in_bytes"),
    "swappiness": ("memory", "memory.swappiness"),
    "oom_kill_disable": ("memory", "memory.oom_control"),
    "kernel_tcp": ("memory", "memory.kmem.tcp.limit_in_bytes"),
    "cpu_shares": ("cpu", "cpu.shares"),
    "cpu_quota": ("cpu", "cpu.cfs_quota_us"),
    "cpu_realtime": ("cpu", "cpu.rt_runtime_us"),
    "cpuset": ("cpuset", "cpuset.cpus"),
    "pids": ("pids", "cgroup.procs"),
    "io_weight": ("blkio", "blkio.weight"),
    "io_weight_device": ("blkio", "blkio.weight_device"),
    "io_read_bps": ("blkio", "blkio.throttle.read_bps_device"),
    "io_write_bps": ("blkio", "blkio.throttle.write_bps_device"),
    "io_read_iops": ("blkio", "blkio.throttle.read_iops_device"),
    "io_write_iops": ("blkio", "blkio.throttle.write_iops_device"),
}


def detect(cgroups: Cgroups) -> Support:
    """Read what the trees of ``cgroups`` offer now."""
    return _version_1(cgroups) if cgroups.version == 1 else _version_2(cgroups)


def _version_1(cgroups: Cgroups) -> Support:
    found = {
        limit: tree in cgroups.trees and (cgroups.trees[tree] / file).exists() for limit, (tree, file) in _V1.items()
    }
    sets = cgroups.trees.get("cpuset")
    cpus, mems = (_read(sets / "cpuset.cpus"), _read(sets / "cpuset.mems")) if sets else ("", "")
    return Support(cpus=cpus, mems=mems, **found)


def _version_2(cgroups: Cgroups) -> Support:
    root, controllers = cgroups.trees[""], cgroups.controllers
    io = {field.name: "io" in controllers for field in fields(Support) if field.name.startswith("io_")}
    return Support(
        memory="memory" in controllers,
        swap="memory" in controllers and _accounts_swap(root),
        reservation="memory" in controllers,
        cpu_shares="cpu" in controllers,
        cpu_quota="cpu" in controllers,
        cpuset="cpuset" in controllers,
        cpus=_read(root / "cpuset.cpus.effective"),
        mems=_read(root / "cpuset.mems.effective"),
        pids="pids" in controllers,
        **io,
    )


def _accounts_swap(root: Path) -> bool:
    """Whether groups have ``memory.swap.max``: the root has not, and a kernel may be booted without it."""
    for group in root.iterdir():
        if (group / "memory.max").exists():
            return (group / "memory.swap.max").exists()
    return True


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
