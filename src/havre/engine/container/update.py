"""Update: change limits and restart policy of a container that is there, running or not. A change that fails leaves
record and control group as they were.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from havre.engine.container import limits, validate
from havre.engine.container.create import EventSink
from havre.engine.container.record import DEAD, REMOVING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, HavreError, SystemFault, Unsupported
from havre.kernel import cgroupfiles, pidfd
from havre.kernel.cgrouplimits import Support
from havre.kernel.cgroups import Cgroups
from havre.runtime import resources
from havre.runtime.runtimes.probe import Runtimes
from havre.wire.containers import HostConfig

# What an update takes over where it is not empty; the other fields of HostConfig stay what they were at create.
_TAKEN = (
    *("blkio_weight", "cpu_shares", "cpu_period", "cpu_quota", "cpuset_cpus", "cpuset_mems"),
    *("memory", "memory_swap", "memory_reservation", "cpu_realtime_period", "cpu_realtime_runtime"),
)
# These also where they are empty: then there are to be none.
_REPLACED = ("blkio_device_read_bps", "blkio_device_write_bps", "blkio_device_read_iops", "blkio_device_write_iops")


@dataclass(frozen=True, slots=True)
class Updater:
    """``POST /containers/{id}/update``."""

    registry: Registry
    runtimes: Runtimes
    cgroups: Cgroups
    kernel: Support
    events: EventSink

    async def update(self, reference: str, asked: HostConfig) -> dict[str, Any]:
        """Change what ``asked`` names. The answer holds warnings of limits the kernel cannot set.

        ``Conflict`` when the change contradicts what the container has, or it is being removed.
        """
        asked, warnings = limits.settle(asked, self.kernel, update=True)
        if asked.restart_policy.name:
            validate.restart_policy(asked.restart_policy, auto_remove=False)
        container_id = self.registry.find(reference).id
        async with self.registry.lock(container_id):
            container = self.registry.current(container_id)
            try:
                await self._update(container, asked)
            except (HavreError, OSError) as error:
                kind = type(error) if isinstance(error, HavreError) else SystemFault
                raise kind(f"Cannot update container {container_id}: {error}") from None
        self.events.publish("container", "update", container_id, container.event_attributes())
        return {"Warnings": warnings or None}

    async def _update(self, container: Container, asked: HostConfig) -> None:
        if container.state.status in (REMOVING, DEAD):
            raise Conflict('container is marked for removal and cannot be "update"')
        host = merged(container.host, asked)
        changed = container.replace(host=host)
        if not container.state.running:
            await self.registry.save(changed)
            return
        rules = resources.throttles_changed(container.host, asked)
        # What was in force, as an update would ask for it.
        before: dict[str, Any] = {
            name: getattr(container.host, name) or [] for name in _REPLACED if getattr(asked, name) is not None
        }
        undo = resources.throttles_changed(asked, HostConfig(**before))
        held = await asyncio.to_thread(cgroupfiles.keep, self.cgroups, container.cgroup)
        try:
            await self._apply(container, resources.changed(host, asked), rules)
            await self.registry.save(changed)
        except BaseException as error:
            if isinstance(error, SystemFault | OSError) and _has_ended(container):
                # Nobody has noted it yet: the limits are those of its next start.
                await self.registry.save(changed)
                return
            await asyncio.to_thread(cgroupfiles.put_back, held)
            for kind, old in undo.items():
                with suppress(OSError):
                    await asyncio.to_thread(cgroupfiles.throttle, self.cgroups, container.cgroup, kind, old)
            raise

    async def _apply(
        self, container: Container, limited: dict[str, Any], rules: Mapping[str, Sequence[Mapping[str, int]]]
    ) -> None:
        if limited:
            await self.runtimes.choose(container.runtime).update(container.id, limited)
        for kind, wanted in rules.items():
            await asyncio.to_thread(cgroupfiles.throttle, self.cgroups, container.cgroup, kind, wanted)


def _has_ended(container: Container) -> bool:
    return pidfd.start_time(container.state.pid) != container.state.pid_start


def merged(host: HostConfig, asked: HostConfig) -> HostConfig:
    """``host`` with what ``asked`` names; ``Conflict`` for what cannot go together. Pure."""
    _refuse_two_ways(host, asked)
    if asked.blkio_weight_device or (asked.blkio_weight_device == [] and host.blkio_weight_device):
        raise Unsupported("havre does not implement an update of BlkioWeightDevice yet")
    if asked.memory > host.memory_swap >= 0 and not asked.memory_swap:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    changes: dict[str, Any] = {name: getattr(asked, name) for name in _TAKEN if getattr(asked, name)}
    changes |= {name: getattr(asked, name) for name in _REPLACED if getattr(asked, name) is not None}
    if asked.nano_cpus:
        changes |= {"nano_cpus": asked.nano_cpus, "cpu_period": 0, "cpu_quota": 0}
    if asked.pids_limit is not None:
        changes["pids_limit"] = max(asked.pids_limit, 0)
    if asked.restart_policy.name:
        if host.auto_remove and asked.restart_policy.name != "no":
            raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
        changes["restart_policy"] = asked.restart_policy
    changed = msgspec.structs.replace(host, **changes)
    if asked.memory_swap > 0:
        _refuse_swap_alone(changed)
    return changed


def _refuse_swap_alone(host: HostConfig) -> None:
    """Memory and swap together are less than memory: the kernel refuses it now, or at the next start."""
    if not host.memory:
        raise Conflict("You should always set the Memory limit when using Memoryswap limit, see usage")
    if host.memory_swap < host.memory:
        raise Conflict("Minimum memoryswap limit should be larger than memory limit, see usage")


def _refuse_two_ways(host: HostConfig, asked: HostConfig) -> None:
    """CPUs by number and by period and quota are the same files of the kernel."""
    for ours, theirs in (("CPU Period", "cpu_period"), ("CPU Quota", "cpu_quota")):
        if asked.nano_cpus > 0 and getattr(host, theirs) > 0:
            raise Conflict(f"Conflicting options: Nano CPUs cannot be updated as {ours} has already been set")
        if host.nano_cpus > 0 and getattr(asked, theirs) > 0:
            raise Conflict(f"Conflicting options: {ours} cannot be updated as NanoCPUs has already been set")
