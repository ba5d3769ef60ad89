"""The limits of one control group as its files hold them: to be kept, put back, and for single devices set.

The OCI runtime changes limits one file after the other. When the kernel refuses one, those before it stay changed;
``keep`` and ``put_back`` around it make the change whole or none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from havre.kernel.cgroups import Cgroups

# By controller; those that bound others first, since the kernel checks them against each other.
_V1 = {
    "memory": ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes", "memory.soft_limit_in_bytes"),
    "cpu": ("cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.rt_period_us", "cpu.rt_runtime_us"),
    "cpuset": ("cpuset.cpus", "cpuset.mems"),
    "pids": ("pids.max",),
    "blkio": ("blkio.weight", "blkio.bfq.weight"),
}
_V2 = (
    *("memory.swap.max", "memory.max", "memory.low", "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems"),
    *("pids.max", "io.weight", "io.bfq.weight"),
)

# The kind of a rule for one device: its file on v1, its key in io.max on v2.
THROTTLES = {
    "read_bps": ("blkio.throttle.read_bps_device", "rbps"),
    "write_bps": ("blkio.throttle.write_bps_device", "wbps"),
    "read_iops": ("blkio.throttle.read_iops_device", "riops"),
    "write_iops": ("blkio.throttle.write_iops_device", "wiops"),
}


def keep(cgroups: Cgroups, group: str) -> dict[Path, str]:
    """What the files of ``group`` hold, in the order ``put_back`` wants them; those that are not there are left out."""
    held = {}
    for file in _files(cgroups, group):
        try:
            held[file] = file.read_text().strip()
        except OSError:
            continue
    return held


def put_back(held: Mapping[Path, str]) -> None:
    """Write back what differs. What the kernel refuses at first it takes once the others are back."""
    for files in (list(held), list(held)[::-1]):
        for file in files:
            try:
                if file.read_text().strip() != held[file]:
                    file.write_text(held[file] or "\n")
            except OSError:
                continue


def throttle(cgroups: Cgroups, group: str, kind: str, rules: Sequence[Mapping[str, int]]) -> None:
    """Set ``rules`` (``major``, ``minor``, ``rate``; a rate of 0 is none) for ``kind`` of ``THROTTLES``. ``OSError``
    when the kernel refuses one.
    """
    file, key = THROTTLES[kind]
    for rule in rules:
        device, rate = f"{rule['major']}:{rule['minor']}", rule["rate"]
        if cgroups.version == 1:
            (cgroups.directory(group, "blkio") / file).write_text(f"{device} {rate}")
        else:
            (cgroups.directory(group, "io") / "io.max").write_text(f"{device} {key}={rate or 'max'}")


def _files(cgroups: Cgroups, group: str) -> list[Path]:
    if cgroups.version == 2:
        return [cgroups.directory(group, "") / name for name in _V2]
    return [
        cgroups.directory(group, controller) / name
        for controller, names in _V1.items()
        if controller in cgroups.trees
        for name in names
    ]
