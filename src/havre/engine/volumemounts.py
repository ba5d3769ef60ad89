"""Volumes that are mounted only while they are in use: local ones with ``type`` and ``device``, and those of plugins.

What is mounted, and for whom, is on disk before it is mounted (``volume.uses``); what cannot be unmounted soon is
unmounted in the background, so that neither a server that is gone nor a plugin that does not answer holds a container.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Container, Mapping
from pathlib import Path

import msgspec

from havre.errors import HavreError, NotFound, SystemFault, Unavailable
from havre.kernel import mounts
from havre.lib import ids
from havre.lib.relay import apart
from havre.lib.tasks import TaskOwner
from havre.lib.turns import Turns
from havre.store.layout import Layout
from havre.volume import VolumeDriver
from havre.volume.plugins.drivers import PluginDrivers
from havre.volume.store import VolumeRecord, VolumeStore
from havre.volume.uses import Use, Uses

log = logging.getLogger(__name__)

# Seconds that the end of a container waits for its volumes to be unmounted.
_PATIENCE = 3.0
# What of a plugin's words goes into errors.
_WORDS = 1000


class VolumeMounts:
    """Mounts and unmounts them. A container's mounts are told apart by their index."""

    def __init__(
        self, store: VolumeStore, drivers: Mapping[str, VolumeDriver], plugins: PluginDrivers, layout: Layout
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._plugins = plugins
        self._layout = layout
        self._uses = Uses(layout.volume_uses)
        self._turns = Turns()
        # Uses of each volume that are still to be unmounted.
        self._ending: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        # Uses that a plugin which was out of reach could not be told the end of.
        self._owed: defaultdict[str, list[Use]] = defaultdict(list)
        self._tasks = TaskOwner("volume mounts")

    def load(self) -> None:
        """Read what the last daemon had mounted; called once, before anybody asks."""
        self._uses.load()

    async def close(self) -> None:
        """Wait for nothing: what is not unmounted yet is so by the next daemon."""
        await self._tasks.close()

    async def mount(self, container: str, index: int, name: str, shown: str = "") -> Path | None:
        """Mount volume ``name`` for a container; where its files are then. None if it needs no mounting.

        ``shown`` is where they are thought to be, for errors.

        May be called again. ``SystemFault`` in Docker's words, ``NotFound`` and ``Unavailable`` for a missing plugin.
        """
        record = self._store.get(name)
        if record is None or not self._needs_mount(record):
            return None
        use = self._uses.get(container, index)
        if use is not None and use.path and record.driver not in self._drivers:
            return Path(use.path)
        if use is None:
            use = Use(ids.new_id(), container, index, name, record.driver)
            self._uses.save(use)
        if record.driver not in self._drivers:
            return await self._mount_by_plugin(use, shown)
        # As a task: if the container does not wait, its release waits for the mount, to undo it.
        made: Path | HavreError = await asyncio.shield(
            self._tasks.start(self._mount_here(record, use), f"mount volume {name}")
        )
        if isinstance(made, HavreError):
            raise made
        return made

    def path(self, container: str, index: int) -> Path | None:
        """Where ``mount`` has put it; None if it was not mounted."""
        use = self._uses.get(container, index)
        return Path(use.path) if use is not None and use.path else None

    def marker(self, container: str, index: int) -> Path | None:
        """The file that tells of a cut copy into what is mounted, where the volume has no place for it."""
        use = self._uses.get(container, index)
        if use is None or use.driver in self._drivers:
            return None
        return self._layout.volumes / f".copying-{use.driver}-{use.volume}"

    async def release(self, container: str) -> None:
        """Unmount all that is mounted for a container; what takes long goes on in the background."""
        uses = self._uses.release(container)
        if not uses:
            return
        tasks = [self._end(use) for use in uses]
        _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for use, task in zip(uses, tasks, strict=True):
            if task in late:
                log.warning("volume %s is not unmounted yet for container %s", use.volume, container[:12])

    async def drop_unknown(self, known: Container[str]) -> None:
        """Release what containers have that are not among ``known``."""
        await asyncio.gather(*(self.release(one) for one in self._uses.containers() if one not in known))

    async def settled(self, name: str) -> None:
        """Return when nothing is left to be unmounted of a volume that nobody uses, as far as its plugin is there."""
        while tasks := self._ending.get(name):
            await asyncio.wait(tasks)
        for use in self._owed.pop(name, ()):
            await self._unmount(use)

    def _needs_mount(self, record: VolumeRecord) -> bool:
        driver = self._drivers.get(record.driver)
        return driver is None or driver.mounts(record.options or {})

    async def _mount_here(self, record: VolumeRecord, use: Use) -> Path | HavreError:
        driver, name = self._drivers[record.driver], record.name
        path = driver.path(name)
        async with self._turns.of(name):
            alone = not use.path and not any(one.path for one in self._uses.of_volume(name) if one.id != use.id)

            def work() -> None:
                if alone:
                    # What is mounted there is of a use that ended unseen.
                    driver.unmount(name)
                if alone or not mounts.is_mounted(path):
                    driver.mount(name, record.options or {})

            try:
                await apart(work, f"volume {name}")
            except HavreError as error:
                return error
            if self._uses.get(use.container, use.index) == use:
                self._uses.save(msgspec.structs.replace(use, path=str(path)))
        return path

    async def _mount_by_plugin(self, use: Use, shown: str) -> Path:
        try:
            try:
                plugin = await self._plugins.get(use.driver)
                path = Path(await plugin.mount(use.volume, use.id))
            except (SystemFault, NotFound):
                # It has not mounted it; of all other errors this cannot be said.
                self._uses.forget(use)
                raise
            if reason := await apart(lambda: _wrong_with(path), f"volume {use.volume}"):
                raise SystemFault(f"plugin {use.driver} has mounted it at {str(path)[:_WORDS]}, where {reason}")
        except HavreError as error:
            raise type(error)(f"error while mounting volume '{shown or use.volume}': {error.message}") from None
        self._uses.save(msgspec.structs.replace(use, path=str(path)))
        return path

    def _end(self, use: Use) -> asyncio.Task[None]:
        task = self._tasks.start(self._unmount(use), f"unmount volume {use.volume}")
        ending = self._ending[use.volume]
        ending.add(task)
        task.add_done_callback(lambda done: self._ended(use.volume, done))
        return task

    def _ended(self, volume: str, task: asyncio.Task[None]) -> None:
        self._ending[volume].discard(task)
        if not self._ending[volume]:
            del self._ending[volume]

    async def _unmount(self, use: Use) -> None:
        try:
            if (driver := self._drivers.get(use.driver)) is not None:
                async with self._turns.of(use.volume):
                    if not self._uses.of_volume(use.volume):
                        await apart(lambda: driver.unmount(use.volume), f"volume {use.volume}")
            else:
                plugin = await self._plugins.get(use.driver, wait=False)
                await plugin.unmount(use.volume, use.id)
        except Unavailable as error:
            # Its file stays: if not before the removal of the volume, it is tried again by the next daemon.
            log.error("volume %s could not be unmounted yet: %s", use.volume, error)
            self._owed[use.volume].append(use)
            return
        except (HavreError, OSError) as error:
            log.error("volume %s could not be unmounted: %s", use.volume, error)
        self._uses.forget(use)


def _wrong_with(path: Path) -> str:
    """Why nothing can be mounted from there: a file system whose program has died shows no directories, but errors."""
    try:
        return "" if path.is_dir() else "no directory is"
    except OSError as error:
        return f"no directory can be seen: {(error.strerror or str(error)).lower()}"
