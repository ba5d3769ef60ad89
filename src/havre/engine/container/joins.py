"""Joining the namespaces of other containers at start: which they are, and whether they last until the process is in.

Namespaces are named by the other container's process. It may end at any instant and its number be given to another, so
it is held by a pidfd: if the process is still there when ours is in, all in between was right.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.modes import joined
from havre.engine.container.record import RESTARTING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.kernel import pidfd
from havre.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Joined:
    """What a container gets from others: ``namespaces`` (kind to path, ``None`` for the host's), the source of
    /dev/shm and the directory of hosts, hostname and resolv.conf.
    """

    namespaces: dict[str, str | None] = field(default_factory=dict)
    shm: Path | None = None
    files: Path | None = None
    _held: Sequence[tuple[Container, int]] = ()

    def check(self) -> None:
        """``Conflict`` when one of them has ended since."""
        for container, fd in self._held:
            if pidfd.ended(fd):
                raise Conflict(f"container {container.id} ended while its namespaces were joined")

    def close(self) -> None:
        """Let go of the others."""
        for _, fd in self._held:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Joins:
    """Finds what there is to join."""

    registry: Registry
    host_mounts: HostMounts
    layout: Layout

    def open(self, container: Container) -> Joined:
        """What the container's modes name. To be checked when it is in, and closed. ``Conflict`` if that does not run,
        ``InvalidParameter`` if it does not share.
        """
        host = container.host
        ipc, pid, net = joined(host.ipc_mode), joined(host.pid_mode), joined(host.network_mode)
        if ipc is None and pid is None and net is None:
            return Joined()
        namespaces: dict[str, str | None] = {}
        targets: list[Container] = []
        shm = files = None
        if ipc is not None:
            target = self._running(ipc, "failed to join IPC namespace: ")
            shm = self._shared_shm(target)
            namespaces["ipc"] = _path(target, "ipc")
            targets.append(target)
        if pid is not None:
            target = self._running(pid, "failed to join PID namespace: ")
            namespaces["pid"] = None if target.host.pid_mode == "host" else _path(target, "pid")
            targets.append(target)
        if net is not None:
            target = self._network_target(net)
            namespaces["network"] = None if target.host.network_mode == "host" else _path(target, "net")
            files = self._files_of(target)
            targets.append(target)
        return Joined(namespaces, shm, files, self._hold(targets))

    def _hold(self, targets: Sequence[Container]) -> list[tuple[Container, int]]:
        held: list[tuple[Container, int]] = []
        try:
            for target in targets:
                held.append((target, pidfd.open_checked(target.state.pid, target.state.pid_start)))
        except NotFound:
            for _, fd in held:
                os.close(fd)
            raise Conflict(f"container {target.id} is not running") from None
        return held

    def _find(self, container_id: str, what: str) -> Container:
        try:
            return self.registry.find(container_id)
        except NotFound as error:
            raise Conflict(f"{what}{error.message}") from None

    def _running(self, container_id: str, what: str) -> Container:
        if not container_id:
            raise InvalidParameter(f'{what}invalid name or ID supplied: ""')
        target = self._find(container_id, what)
        if target.state.status == RESTARTING:
            raise Conflict(f"{what}Container {target.id} is restarting, wait until the container is running")
        if not target.state.running:
            raise Conflict(f"{what}container {target.id} is not running")
        return target

    def _network_target(self, container_id: str) -> Container:
        target = self._find(container_id, "joining network namespace of container: ")
        if not target.state.running:
            raise Conflict(
                f"cannot join network namespace of a non running container: "
                f"container {target.name} is {target.state.status}"
            )
        return target

    def _shared_shm(self, target: Container) -> Path:
        """The /dev/shm that goes with the target's IPC namespace; it may itself have joined another's."""
        owner = target
        while (next_id := joined(owner.host.ipc_mode)) is not None:
            owner = self._running(next_id, "failed to join IPC namespace: ")
        path = self.host_mounts.shm(owner.id)
        if owner.host.ipc_mode == "host":
            return Path("/dev/shm")
        if owner.host.ipc_mode != "shareable" or not path.exists():
            raise InvalidParameter(
                f"failed to join IPC namespace: container {target.id}: non-shareable IPC "
                "(hint: use IpcMode:shareable for the donor container)"
            )
        return path

    def _files_of(self, target: Container) -> Path:
        while (next_id := joined(target.host.network_mode)) is not None:
            target = self._find(next_id, "joining network namespace of container: ")
        return self.layout.container(target.id)


def _path(target: Container, kind: str) -> str:
    return f"/proc/{target.state.pid}/ns/{kind}"
