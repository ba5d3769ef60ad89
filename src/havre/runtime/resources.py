"""A container's limits: ``HostConfig`` to the ``linux.resources`` of the OCI configuration. Pure.

Sizes are bytes; CPU time is micro-seconds per period. The runtime translates v1 words (shares, blkio) to cgroup v2
itself.
"""

from typing import Any

from havre.wire.containers import HostConfig

_PERIOD = 100_000


def linux_resources(host: HostConfig) -> dict[str, Any]:
    """``linux.resources`` without the device rules; a key is there only when its limit was asked for."""
    resources: dict[str, Any] = {}
    for name, part in (("memory", _memory(host)), ("cpu", _cpu(host)), ("blockIO", _block_io(host))):
        if part:
            resources[name] = part
    if host.pids_limit:
        resources["pids"] = {"limit": host.pids_limit if host.pids_limit > 0 else -1}
    return resources


def _memory(host: HostConfig) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    if host.memory:
        memory["limit"] = host.memory
    if host.memory_reservation:
        memory["reservation"] = host.memory_reservation
    if host.memory_swap:
        memory["swap"] = host.memory_swap
    elif host.memory > 0:
        # Docker's default: as much swap again as memory.
        memory["swap"] = min(host.memory * 2, (1 << 63) - 1)
    if host.memory_swappiness is not None and host.memory_swappiness >= 0:
        memory["swappiness"] = host.memory_swappiness
    if host.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def _cpu(host: HostConfig) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if host.cpu_shares:
        cpu["shares"] = host.cpu_shares
    if host.nano_cpus:
        cpu["period"] = _PERIOD
        cpu["quota"] = host.nano_cpus * _PERIOD // 1_000_000_000
    if host.cpu_period:
        cpu["period"] = host.cpu_period
    if host.cpu_quota:
        cpu["quota"] = host.cpu_quota
    if host.cpuset_cpus:
        cpu["cpus"] = host.cpuset_cpus
    if host.cpuset_mems:
        cpu["mems"] = host.cpuset_mems
    return cpu


def _block_io(host: HostConfig) -> dict[str, Any]:
    return {"weight": host.blkio_weight} if host.blkio_weight else {}
