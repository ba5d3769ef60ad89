"""Viewing: a container's files opened for the daemon, whether it runs or not. Copying comes in here.

One that runs is seen through its own mount namespace, with all it has mounted. One that does not is seen through its
snapshot with its volumes and binds, in a namespace made for the purpose. The container's lock is held only while a view
is made or given up: meanwhile it may start, stop or go.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from havre.engine.container.changes import ETC_FILES
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.record import DEAD, REMOVING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, NotFound, SystemFault
from havre.image.snapshots import Snapshotter
from havre.kernel import views
from havre.kernel.views import Bind, View
from havre.lib.relay import settled
from havre.lib.tasks import TaskOwner
from havre.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Sight:
    """``view`` of ``container`` as it was when the view was made. To be handed back to ``Views``."""

    container: Container
    view: View
    # It keeps the snapshot mounted on the host.
    holds_mount: bool


class Views:
    """Opens views and takes them back.

    While there is a view of a container that does not run, its snapshot stays mounted where a start wants it: two
    mounts of their own would not see each other's changes.
    """

    def __init__(self, registry: Registry, snapshotter: Snapshotter, host_mounts: HostMounts, layout: Layout) -> None:
        self._registry = registry
        self._snapshotter = snapshotter
        self._host_mounts = host_mounts
        self._layout = layout
        self._holds: Counter[str] = Counter()
        self._tasks = TaskOwner("views")
        # The last one who lets go of a file system waits until it is written out, which may be long.
        self._closing = ThreadPoolExecutor(1, "havre-views")

    async def open(self, reference: str) -> Sight:
        """A view of the container.

        ``NotFound`` without it, ``Conflict`` while it is being removed, ``SystemFault`` if its mounts cannot be made.
        """
        container_id = self._registry.find(reference).id
        async with self._registry.lock(container_id):
            container = self._current(container_id)
            try:
                if container.state.running:
                    return Sight(container, await self._of_running(container), False)
                return Sight(container, await self._of_stopped(container), True)
            except OSError as error:
                raise _cannot_show(container, error) from error

    async def open_root(self, reference: str) -> Sight:
        """A view, to be read only, of the container's own files and its image's, without anything mounted in them.

        Errors as ``open``.
        """
        container_id = self._registry.find(reference).id
        async with self._registry.lock(container_id):
            container = self._current(container_id)
            rootfs = self._layout.rootfs(container_id)
            running = container.state.running
            await self._snapshotter.mount(container_id, rootfs, under=self._layout.init_layer)
            try:
                view = await settled(lambda: views.of_mount(rootfs), View.close)
            except OSError as error:
                if not running and not self._holds[container_id]:
                    await self._snapshotter.unmount(rootfs)
                raise _cannot_show(container, error) from error
            if not running:
                self._holds[container_id] += 1
            return Sight(container, view, not running)

    async def give_up(self, sight: Sight) -> None:
        """Take a view back. On return nothing shows on the host that it was; also if this call is cancelled, soon."""
        await asyncio.wait([self.give_up_later(sight)])

    def give_up_later(self, sight: Sight) -> asyncio.Task[None]:
        """Take a view back in the background."""
        return self._tasks.start(self._give_up(sight), f"view of {sight.container.short_id}")

    async def close(self) -> None:
        """Wait until all that was given up is done."""
        await self._tasks.drain()
        await asyncio.to_thread(self._closing.shutdown)

    def _current(self, container_id: str) -> Container:
        container = self._registry.current(container_id)
        if container.state.status == REMOVING:
            raise Conflict(f"container {container_id} is being removed")
        if container.state.status == DEAD:
            raise Conflict(f"container {container_id} is dead")
        return container

    async def _of_running(self, container: Container) -> View:
        state = container.state
        shown = frozenset(mount.point.destination for mount in container.mounts)
        try:
            view = await settled(lambda: views.of_process(state.pid, state.pid_start, shown), _close)
        except NotFound:
            view = None
        if view is not None:
            return view
        # Its process has just ended, or has gone over to the host's mounts: what it was given is still there.
        return await settled(lambda: self._build(container), View.close)

    async def _of_stopped(self, container: Container) -> View:
        rootfs = self._layout.rootfs(container.id)
        await self._snapshotter.mount(container.id, rootfs, under=self._layout.init_layer)
        try:
            # As a start would: otherwise a file copied into the volume would keep the image's files out of it.
            sources = await self._host_mounts.prepare(container)
            await self._host_mounts.fill(container, rootfs, sources)
            view = await settled(lambda: self._build(container), View.close)
        except BaseException:
            if not self._holds[container.id]:
                await self._host_mounts.release(container.id)
                await self._snapshotter.unmount(rootfs)
            raise
        self._holds[container.id] += 1
        return view

    def _build(self, container: Container) -> View:
        sources = self._host_mounts.sources(container)
        binds = list(_binds(container, self._layout.container(container.id), sources))
        for bind in binds:
            if bind.source is not None and not bind.source.exists():
                raise Conflict(f"bind source path does not exist: {bind.source}")
        rootfs = self._layout.rootfs(container.id)
        return views.of_tree(rootfs, binds, container.host.readonly_rootfs)

    async def _give_up(self, sight: Sight) -> None:
        try:
            if sight.holds_mount:
                await self._release(sight.container.id)
        finally:
            # Last and without the lock: a start need not wait until all is written out.
            closing = asyncio.get_running_loop().run_in_executor(self._closing, sight.view.close)
            self._tasks.start(_finish(closing), f"end of the view of {sight.container.short_id}")

    async def _release(self, container_id: str) -> None:
        async with self._registry.lock(container_id):
            self._holds[container_id] -= 1
            if self._holds[container_id]:
                return
            del self._holds[container_id]
            try:
                container = self._registry.current(container_id)
            except NotFound:
                return  # and its removal has unmounted it
            if not container.state.running:
                await self._host_mounts.release(container_id)
                await self._snapshotter.unmount(self._layout.rootfs(container_id))


def _cannot_show(container: Container, error: OSError) -> SystemFault:
    return SystemFault(f"cannot show the files of container {container.short_id}: {error}")


def _close(view: View | None) -> None:
    if view is not None:
        view.close()


async def _finish(work: asyncio.Future[None]) -> None:
    await work


def _binds(container: Container, files: Path, sources: Mapping[int, Path]) -> Iterator[Bind]:
    """The container's mounts in the order a start makes them."""
    taken = {mount.point.destination for mount in container.mounts}
    for name in ETC_FILES:
        if f"/etc/{name}" not in taken and (files / name).exists():
            yield Bind(files / name, f"/etc/{name}", container.host.readonly_rootfs)
    for index, mount in enumerate(container.mounts):
        point = mount.point
        if point.type == "tmpfs":
            yield Bind(None, point.destination)
        else:
            yield Bind(
                sources.get(index, Path(point.source)), point.destination, not point.rw, "bind" not in mount.options
            )
