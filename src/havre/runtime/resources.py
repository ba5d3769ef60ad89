"""A container's limits: ``HostConfig`` to the ``linux.resources`` of the OCI configuration.

Sizes are bytes; CPU time is micro-seconds per period. The runtime translates v1 words (shares, blkio) to cgroup v2
itself. Block devices are looked up by their paths, everything else is pure.
"""

import os
from typing import Any

from havre.errors import InvalidParameter
from havre.wire.containers import HostConfig, ThrottleDevice, WeightDevice

_PERIOD = 100_000
# Rules for single devices: their kind and its key in the OCI configuration.
_THROTTLES = {
    "read_bps": "throttleReadBpsDevice",
    "write_bps": "throttleWriteBpsDevice",
    "read_iops": "throttleReadIOPSDevice",
    "write_iops": "throttleWriteIOPSDevice",
}


def linux_resources(host: HostConfig) -> dict[str, Any]:
    """``linux.resources`` without the device rules; a key is there only when its limit was asked for."""
    resources: dict[str, Any] = {}
    for name, part in (("memory", _memory(host)), ("cpu", _cpu(host)), ("blockIO", _block_io(host))):
        if part:
            resources[name] = part
    if host.pids_limit:
        resources["pids"] = {"limit": host.pids_limit if host.pids_limit > 0 else -1}
    return resources


def changed(host: HostConfig, asked: HostConfig) -> dict[str, Any]:
    """``linux.resources`` for an update of a running container: of ``host``, as it will be, what ``asked`` names."""
    touched = {
        "memory": asked.memory or asked.memory_swap or asked.memory_reservation,
        "cpu": asked.cpu_shares
        or asked.cpu_quota
        or asked.cpu_period
        or asked.nano_cpus
        or asked.cpuset_cpus
        or asked.cpuset_mems
        or asked.cpu_realtime_period
        or asked.cpu_realtime_runtime,
        "blockIO": asked.blkio_weight,
    }
    parts = {"memory": _memory(host), "cpu": _cpu(host), "blockIO": {"weight": host.blkio_weight}}
    resources: dict[str, Any] = {name: parts[name] for name, given in touched.items() if given}
    if asked.pids_limit is not None:
        resources["pids"] = {"limit": asked.pids_limit if asked.pids_limit > 0 else -1}
    return resources


def _memory(host: HostConfig) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    if host.memory:
        memory["limit"] = host.memory
    if host.memory_reservation:
        memory["reservation"] = host.memory_reservation
    if host.memory_swap:
        # Whatever is negative is no limit to Docker; the kernel knows -1 alone.
        memory["swap"] = max(host.memory_swap, -1)
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
    if host.cpu_realtime_period:
        cpu["realtimePeriod"] = host.cpu_realtime_period
    if host.cpu_realtime_runtime:
        cpu["realtimeRuntime"] = host.cpu_realtime_runtime
    if host.cpuset_cpus:
        cpu["cpus"] = host.cpuset_cpus
    if host.cpuset_mems:
        cpu["mems"] = host.cpuset_mems
    return cpu


def _block_io(host: HostConfig) -> dict[str, Any]:
    found: dict[str, Any] = {"weight": host.blkio_weight} if host.blkio_weight else {}
    if host.blkio_weight_device:
        found["weightDevice"] = [_device_limit(limit) for limit in host.blkio_weight_device]
    for kind, rules in throttles(host).items():
        found[_THROTTLES[kind]] = rules
    return found


def throttles(host: HostConfig) -> dict[str, list[dict[str, int]]]:
    """The rules for single devices, as ``major``, ``minor`` and ``rate``, by their kind; empty kinds are left out."""
    kinds = _throttle_lists(host).items()
    return {kind: [_device_limit(limit) for limit in limits] for kind, limits in kinds if limits}


def throttles_changed(host: HostConfig, asked: HostConfig) -> dict[str, list[dict[str, int]]]:
    """The rules to set where ``host`` was in force and the kinds ``asked`` has are to be as it says: a rate of 0 ends
    the rule of a device that it leaves out.
    """
    found = throttles(asked)
    for kind, limits in _throttle_lists(asked).items():
        if limits is not None:
            kept = {(rule["major"], rule["minor"]) for rule in found.get(kind, ())}
            old = throttles(host).get(kind, [])
            gone = [{**rule, "rate": 0} for rule in old if (rule["major"], rule["minor"]) not in kept]
            found[kind] = [*gone, *found.get(kind, ())]
    return found


def _throttle_lists(host: HostConfig) -> dict[str, list[ThrottleDevice] | None]:
    return {
        "read_bps": host.blkio_device_read_bps,
        "write_bps": host.blkio_device_write_bps,
        "read_iops": host.blkio_device_read_iops,
        "write_iops": host.blkio_device_write_iops,
    }


def _device_limit(limit: WeightDevice | ThrottleDevice) -> dict[str, int]:
    try:
        device = os.stat(limit.path).st_rdev
    except (OSError, ValueError):
        raise InvalidParameter(f"stat {limit.path}: no such file or directory") from None
    number = {"weight": limit.weight} if isinstance(limit, WeightDevice) else {"rate": limit.rate}
    return {"major": os.major(device), "minor": os.minor(device), **number}
