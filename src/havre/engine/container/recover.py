"""Recover: at start, bring records and reality together, whatever instant the last daemon was killed at.

A container that runs is adopted; one that ended meanwhile is seen to end now; what belongs to no record, or to one that
does not run, is taken away. Afterwards restart policies are applied.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Container as Ids
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from havre.engine.container import modes, network
from havre.engine.container.etc import EtcFiles
from havre.engine.container.exec import PROBE_PREFIX
from havre.engine.container.hostmounts import HostMounts, snapshot_owner
from havre.engine.container.lifecycle import Lifecycle
from havre.engine.container.record import CREATED, EXITED, PAUSED, RESTARTING, RUNNING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.release import Releaser
from havre.engine.container.remove import Remover
from havre.engine.container.supervise import Supervisor, wants_restart
from havre.errors import HavreError, NotFound
from havre.image.snapshots import Snapshotter
from havre.kernel import pidfd
from havre.kernel.cgroupdriver import group_of
from havre.kernel.cgroups import Cgroups
from havre.network.model import PortRequest
from havre.network.networks import Networks
from havre.network.ports import asks
from havre.runtime import conmon
from havre.runtime.runtimes.probe import Runtimes
from havre.store.layout import Layout

log = logging.getLogger(__name__)

# Seconds the monitor of a killed process may take to end.
_PATIENCE = 2.0


class VolumeOwners(Protocol):
    """Knows which anonymous volumes belong to which container."""

    async def drop_orphans(self, known: Ids[str]) -> None:
        """Remove those whose container is not among ``known``."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Runs once, after the records are loaded and before the door opens."""

    registry: Registry
    releaser: Releaser
    supervisor: Supervisor
    lifecycle: Lifecycle
    remover: Remover
    networks: Networks
    etc: EtcFiles
    snapshotter: Snapshotter
    runtimes: Runtimes
    cgroups: Cgroups
    layout: Layout
    host_mounts: HostMounts
    volumes: VolumeOwners

    async def run(self) -> None:
        """Reconcile everything; a container that resists is logged and does not keep the others from it."""
        with self.supervisor.restarts_held():
            await self._drop_orphans()
            for container in self.registry:
                try:
                    await self._settle(container)
                except (HavreError, OSError) as error:
                    log.error("container %s cannot be recovered: %s", container.short_id, error)
            await self.networks.live({one.id for one in self.registry if one.state.running})
            await self._follow_networks()

    async def _follow_networks(self) -> None:
        """Names are served on, and records say where their containers are: a connect may have been cut short."""
        for container in self.registry:
            try:
                # It may end any moment: what was read before the lock is no more than a name.
                async with self.registry.lock(container.id):
                    await self._follow(self.registry.current(container.id))
            except (HavreError, OSError) as error:
                log.error("the networks of container %s cannot be recovered: %s", container.short_id, error)

    async def _follow(self, container: Container) -> None:
        if not container.state.running or not network.own(container):
            return
        # Ports that were being added, or removed.
        requests: dict[tuple[int, str], list[PortRequest]] = {}
        for request in network.port_requests(container):
            requests.setdefault((request.container_port, request.proto), []).append(request)
        await self.networks.publishing.remove(
            container.id,
            lambda port: not any(asks(each, port) for each in requests.get((port.container_port, port.proto), ())),
        )
        connected = self.networks.endpoints_of(container.id)
        if network.named(container):
            path = self.networks.sandbox_path(container.id)
            await self.networks.names.adopt(container.id, path, self.etc.upstream(container))
        names = {endpoint.network_name for endpoint in connected}
        # One that could not be set up this time may be there the next.
        there = {
            name: given
            for name, given in container.endpoints.items()
            if name in names or not self.networks.usable(name)
        }
        followed = network.connected(container.replace(endpoints=there), connected)
        if followed != container:
            await self.registry.save(followed)

    async def restart(self) -> None:
        """Start what its restart policy wants running after a daemon's start."""
        for container in modes.in_order(self.registry):
            # Of those that the user stopped "always" alone comes back; one that failed by itself, or was stopped by the
            # last daemon, is tried again as it was then.
            always = container.host.restart_policy.name == "always"
            by_itself = not container.stopped_by_user and wants_restart(container, container.state.exit_code)
            wanted = always or by_itself
            waiting = container.state.status == RESTARTING
            ended = container.state.status == EXITED and container.state.started_at > 0
            if waiting or (ended and wanted):
                try:
                    await self.lifecycle.start_again(container.id, ended=True)
                except (HavreError, OSError) as error:
                    log.error("container %s cannot be restarted: %s", container.short_id, error)

    async def _settle(self, container: Container) -> None:
        if container.state.running:
            runtime = self.runtimes.choose(container.runtime)
            if self._alive(container) and runtime.waits_for_start(container.id):
                # The start was never acknowledged and its process has not run: it did not happen.
                await self._undo_start(container)
                return
            if container.paused_for_commit:
                resumed = container.replace(paused_for_commit=False)
                if container.state.status == PAUSED:
                    resumed = resumed.with_state(status=RUNNING)
                container = await self.registry.save(resumed)
            if container.state.status == RUNNING:
                # A pause that was never acknowledged did not happen.
                await asyncio.to_thread(self.cgroups.thaw, container.cgroup)
            await asyncio.to_thread(self._tidy_execs, container)
            await self.supervisor.adopt(container)
            return
        if self.layout.bundle(container.id).exists():
            await self._undo_start(container)
        # A copy from a container that does not run mounts its root for a moment.
        await self.host_mounts.release(container.id)
        await self.snapshotter.unmount(self.layout.rootfs(container.id))
        if container.host.auto_remove and container.state.status == EXITED:
            await self.remover.remove_ended(container.id)

    def _tidy_execs(self, container: Container) -> None:
        """The last daemon's execs are known to nobody now. Those that run go on, but for probes of its health."""
        for bundle in self.layout.bundle(container.id).glob("exec/*"):
            if bundle.name.startswith(PROBE_PREFIX):
                inside = self.cgroups.pids(container.cgroup)
                with suppress(OSError, ValueError):
                    if (pid := int((bundle / "pidfile").read_text())) in inside:
                        os.kill(pid, signal.SIGKILL)
                # It writes the exit code first.
                _await_end(bundle)
            elif conmon.lives(bundle):
                continue
            shutil.rmtree(bundle, ignore_errors=True)

    def _alive(self, container: Container) -> bool:
        return pidfd.start_time(container.state.pid) == container.state.pid_start

    async def _undo_start(self, container: Container) -> None:
        await asyncio.to_thread(self.cgroups.kill, container.cgroup)
        await self.releaser.release(container)
        if container.state.running:
            status = EXITED if container.state.finished_at else CREATED
            undone = network.disconnected(container).with_state(status=status, pid=0, conmon_pid=0)
            await self.registry.save(undone)

    async def _drop_orphans(self) -> None:
        """What has no record (bundles, directories, snapshots, volumes): a create or a remove was cut short."""
        known = {container.id for container in self.registry}
        await self.volumes.drop_orphans(known)
        for bundle in self.layout.bundles.iterdir():
            if bundle.name not in known:
                with _said(bundle.name):
                    await self._drop_bundle(bundle)
        for mounts in self.layout.all_mounts.iterdir():
            if mounts.name not in known:
                with _said(mounts.name):
                    await self.host_mounts.release(mounts.name)
        for directory in self.layout.containers.iterdir():
            if directory.name not in known:
                with _said(directory.name):
                    await self.snapshotter.unmount(directory / "rootfs")
                    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        for key, snapshot in list(self.snapshotter.all().items()):
            owner = snapshot_owner(key)
            if not snapshot.committed and owner is not None and owner not in known:
                with _said(owner), suppress(NotFound):
                    await self.snapshotter.remove(key)

    async def _drop_bundle(self, bundle: Path) -> None:
        try:
            cgroup = str(json.loads((bundle / "config.json").read_text())["linux"]["cgroupsPath"])
        except (OSError, ValueError, KeyError):
            cgroup = ""
        if cgroup:
            await asyncio.to_thread(self.cgroups.remove, group_of(cgroup))
        await self.host_mounts.release(bundle.name)
        await self.snapshotter.unmount(self.layout.rootfs(bundle.name))
        for runtime in self.runtimes.known.values():
            await asyncio.to_thread(shutil.rmtree, runtime.root / bundle.name, ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, bundle, ignore_errors=True)


@contextmanager
def _said(container_id: str) -> Iterator[None]:
    """What cannot be cleared away is told of, and keeps no daemon from starting."""
    try:
        yield
    except (HavreError, OSError) as error:
        log.error("what is left of container %s cannot be removed: %s", container_id[:12], error)


def _await_end(bundle: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while conmon.lives(bundle) and time.monotonic() < deadline:
        time.sleep(0.005)
