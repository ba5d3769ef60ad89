"""Remove: the record first, in one transaction, then what it stood for.

A daemon killed in between leaves files without a record, which the next start takes away (``recover``): a container is
either whole or gone.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from havre.engine.container.create import EventSink
from havre.engine.container.hostmounts import HostMounts, images_mounted, snapshots_of
from havre.engine.container.hub import Hubs
from havre.engine.container.lifecycle import Lifecycle
from havre.engine.container.links import Links
from havre.engine.container.record import DEAD, PAUSED, RESTARTING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.select import prune_candidates
from havre.engine.container.wait import ExitStatus, Waits
from havre.errors import Conflict, HavreError, NotFound
from havre.image.snapshots import Snapshotter
from havre.image.store import ImageStore
from havre.store.layout import Layout
from havre.wire.filters import Filters

log = logging.getLogger(__name__)


class VolumeRemover(Protocol):
    """What becomes of a container's anonymous volumes."""

    async def discard(self, name: str) -> None:
        """Remove one, its container being gone."""

    async def keep(self, name: str) -> None:
        """Let one outlive its container, which is about to go."""


@dataclass(frozen=True, slots=True)
class Remover:
    """``DELETE /containers/{id}`` and ``POST /containers/prune``."""

    registry: Registry
    lifecycle: Lifecycle
    snapshotter: Snapshotter
    host_mounts: HostMounts
    images: ImageStore
    links: Links
    volumes: VolumeRemover
    hubs: Hubs
    waits: Waits
    events: EventSink
    layout: Layout
    # Whoever keeps something about containers beside their records.
    forget: Sequence[Callable[[str], None]]
    _removing: set[str] = field(default_factory=set)

    async def remove(self, reference: str, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        """Remove it, running or not as ``force`` says, and with ``volumes`` its anonymous volumes."""
        if link:
            await self.links.remove(reference)
            return
        container = self.registry.find(reference)
        if container.id in self._removing:
            raise Conflict(f"removal of container {reference} is already in progress")
        self._removing.add(container.id)
        try:
            if force:
                await self.lifecycle.end_start(container.id)
            while not await self._delete(container.id, volumes):
                # It runs, or was started while we waited for its lock.
                if not force:
                    _refuse(self.registry.current(container.id))
                await self.lifecycle.end_for_removal(self.registry.current(container.id))
        finally:
            self._removing.discard(container.id)

    async def remove_ended(self, container_id: str) -> None:
        """Remove a container made with ``--rm`` that has ended, with its anonymous volumes."""
        if container_id in self._removing:
            return
        self._removing.add(container_id)
        try:
            await self._delete(container_id, volumes=True)
        finally:
            self._removing.discard(container_id)

    async def _delete(self, container_id: str, volumes: bool) -> bool:
        """Delete it, unless it runs or is about to: False then."""
        async with self.registry.lock(container_id):
            container = self.registry.current(container_id)
            if container.state.running or container.state.status == RESTARTING:
                return False
            for forget in self.forget:
                forget(container_id)
            if not volumes:
                for mount in container.mounts:
                    if mount.anonymous:
                        await self.volumes.keep(mount.point.name)
            await self.registry.erase(container)
            self.hubs.give_up(container_id)
            try:
                await self._clear(container)
            except (HavreError, OSError) as error:
                await self._note_failure(container, error)
                raise
            self.registry.drop(container_id)
        if volumes:
            for mount in container.mounts:
                if mount.anonymous:
                    await self._discard(mount.point.name)
        if any(self.images.get(image) is None for image in (container.image, *images_mounted(container))):
            # Its image was removed by force: the layers had stayed for this container alone.
            await self.images.collect()
        self.events.publish("container", "destroy", container_id, container.event_attributes())
        self.waits.removed(container_id, ExitStatus(container.state.exit_code))
        return True

    async def _clear(self, container: Container) -> None:
        """Take away its files; some may have gone in an earlier try.

        Somebody may look at them just now, and have had mounted for that what a start would.
        """
        await self.host_mounts.release(container.id)
        await self.snapshotter.unmount(self.layout.rootfs(container.id))
        for key in (*snapshots_of(container), container.id):
            with suppress(NotFound):
                await self.snapshotter.remove(key)
        await asyncio.to_thread(_remove_directory, self.layout.container(container.id))

    async def _note_failure(self, container: Container, error: HavreError | OSError) -> None:
        """It stays, dead, until a further removal succeeds."""
        log.error("container %s could not be removed: %s", container.short_id, error)
        await self.registry.save(container.with_state(status=DEAD, error=str(error)), frees_room=True)
        self.waits.failed(container.id, str(error))

    async def _discard(self, volume: str) -> None:
        try:
            await self.volumes.discard(volume)
        except HavreError as error:
            # Another container uses it by now: it stays, as Docker leaves it.
            log.info("volume %s stays: %s", volume, error)

    async def prune(self, filters: Filters) -> dict[str, Any]:
        """Remove all stopped containers that match; ``{"ContainersDeleted": […], "SpaceReclaimed": bytes}``."""
        deleted: list[str] = []
        reclaimed = 0
        for container in prune_candidates(self.registry, filters):
            try:
                size = (await self.snapshotter.usage(container.id)).size
                await self.remove(container.id)
            except HavreError:
                continue
            deleted.append(container.id)
            reclaimed += size
        self.events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
        return {"ContainersDeleted": deleted or None, "SpaceReclaimed": reclaimed}


def _remove_directory(directory: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)


def _refuse(container: Container) -> None:
    what, hint = "running", "stop the container before removing or force remove"
    if container.state.status == PAUSED:
        what, hint = "paused and must be unpaused first", ""
    elif container.state.status == RESTARTING:
        what = "restarting"
    text = f'cannot remove container "{container.name}": container is {what}'
    raise Conflict(f"{text}: {hint}" if hint else text)
