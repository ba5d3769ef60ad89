"""Release: take away everything a running container holds on this host, once its process has ended.

Used when it exits, when a start fails, and for what a killed daemon left behind. Every step may have been done before.
"""

import asyncio
import logging
import shutil
from pathlib import Path

from havre.engine.container import network
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.plugs import Plugs
from havre.engine.container.record import Container
from havre.errors import HavreError
from havre.image.snapshots import Snapshotter
from havre.runtime.runtimes.probe import Runtimes
from havre.store.layout import Layout

log = logging.getLogger(__name__)


class Releaser:
    """Gives back network, root file system, cgroup, runtime state and bundle."""

    def __init__(
        self,
        plugs: Plugs,
        snapshotter: Snapshotter,
        runtimes: Runtimes,
        host_mounts: HostMounts,
        layout: Layout,
    ) -> None:
        self._plugs = plugs
        self._snapshotter = snapshotter
        self._runtimes = runtimes
        self._host_mounts = host_mounts
        self._layout = layout

    async def release(self, container: Container) -> None:
        """Release all of it; a step that fails is logged and the others go on.

        The bundle stays then: by it the next start finds what it has to clean up.
        """
        steps = {
            "network": self._network(container),
            "runtime": self._runtimes.choose(container.runtime).delete(container.id, container.cgroup),
            "root file system": self._snapshotter.unmount(self._layout.rootfs(container.id)),
            "mounts": self._host_mounts.release(container.id),
        }
        results = await asyncio.gather(*steps.values(), return_exceptions=True)
        for name, result in zip(steps, results, strict=True):
            if isinstance(result, HavreError | OSError):
                log.error("container %s: %s not released: %s", container.short_id, name, result)
            elif isinstance(result, Exception):
                log.error("container %s: %s not released", container.short_id, name, exc_info=result)
            elif isinstance(result, BaseException):
                raise result
        if not any(isinstance(result, Exception) for result in results):
            await asyncio.to_thread(_forget, self._layout.bundle(container.id))

    async def _network(self, container: Container) -> None:
        if network.own(container):
            await self._plugs.release(container.id)


def _forget(bundle: Path) -> None:
    # An exec may still be making its files in there.
    for _ in range(3):
        shutil.rmtree(bundle, ignore_errors=True)
        if not bundle.exists():
            return
