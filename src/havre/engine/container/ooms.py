"""Notices when the kernel kills a process of a running container for want of memory: Docker tells of it at once, also
when the container goes on.

conmon is told by the kernel, on cgroup v1 and v2, and leaves an empty file ``oom`` in the bundle.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from havre.engine.container.record import Container
from havre.kernel.watches import CREATE, Watches
from havre.lib.tasks import TaskOwner
from havre.store.layout import Layout

_NAME = "oom"
# conmon may write the file twice for one kill.
_SETTLED = 0.05


class OomWatch:
    """Calls ``tell`` with a container's id after each kill. Containers without a memory limit are not watched."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._watches: Watches | None = None
        self._ids: dict[int, str] = {}
        self._tasks = TaskOwner("oom")
        self.tell: Callable[[str], Awaitable[None]] | None = None

    def watch(self, container: Container) -> None:
        """Begin with one that runs; a kill that nobody has been told of is told now."""
        if not container.host.memory:
            return
        if self._watches is None:
            self._watches = Watches()
            asyncio.get_running_loop().add_reader(self._watches.fd, self._read)
        with suppress(OSError):
            # It may have ended already.
            self._ids[self._watches.add(self._layout.bundle(container.id), CREATE)] = container.id
        if noted(self._layout.bundle(container.id)):
            self._tasks.start(self._tell(container.id), container.short_id)

    def forget(self, container_id: str) -> None:
        """It has ended: the watch goes with its directory."""
        for watch in [watch for watch, one in self._ids.items() if one == container_id]:
            del self._ids[watch]
            if self._watches is not None:
                self._watches.remove(watch)

    async def close(self) -> None:
        if self._watches is not None:
            asyncio.get_running_loop().remove_reader(self._watches.fd)
            self._watches.close()
        await self._tasks.close()

    def _read(self) -> None:
        assert self._watches is not None
        for event in self._watches.read():
            container_id = self._ids.get(event.watch)
            if container_id is not None and event.name == _NAME.encode():
                self._tasks.start(self._tell(container_id), container_id[:12])

    async def _tell(self, container_id: str) -> None:
        await asyncio.sleep(_SETTLED)
        if self.tell is not None:
            await self.tell(container_id)


def noted(bundle: Path) -> bool:
    """Whether conmon has noted a kill that is not settled."""
    return (bundle / _NAME).exists()


def settle(bundle: Path) -> bool:
    """Take conmon's note away, so that it can make the next one; False when there is none."""
    try:
        (bundle / _NAME).unlink()
    except OSError:
        return False
    return True
