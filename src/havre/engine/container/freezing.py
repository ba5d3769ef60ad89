"""Freezing: a container's processes stand still for as long as the engine reads its files. Commit comes in here.

It looks like a pause, and a user may end it like one; but it is marked in the record as the engine's own, so that a
daemon that is killed meanwhile lets the processes go on when it starts again.
"""

import asyncio
from typing import Protocol

from havre.engine.container.create import EventSink
from havre.engine.container.record import PAUSED, RUNNING
from havre.engine.container.registry import Registry
from havre.errors import NotFound
from havre.kernel.cgroups import Cgroups


class Probing(Protocol):
    """What runs commands in the container by itself, and cannot while that stands still."""

    def pause(self, container_id: str) -> None: ...
    def unpause(self, container_id: str) -> None: ...


class Freezer:
    """Freezes containers and lets them go on."""

    def __init__(self, registry: Registry, cgroups: Cgroups, probing: Probing, events: EventSink) -> None:
        self._registry = registry
        self._cgroups = cgroups
        self._probing = probing
        self._events = events

    async def freeze(self, container_id: str) -> bool:
        """Let its processes stand still; False when they do already, or when there are none."""
        async with self._registry.lock(container_id):
            container = self._registry.current(container_id)
            if container.state.status != RUNNING:
                return False
            try:
                await asyncio.to_thread(self._cgroups.freeze, container.cgroup)
            except NotFound:  # it has just ended
                return False
            try:
                await self._registry.save(container.replace(paused_for_commit=True).with_state(status=PAUSED))
            except BaseException:
                # Nobody would let it go on.
                await asyncio.to_thread(self._cgroups.thaw, container.cgroup)
                raise
            self._probing.pause(container_id)
        self._events.publish("container", "pause", container_id, container.event_attributes())
        return True

    async def go_on(self, container_id: str) -> None:
        """Let them go on, unless somebody has done so meanwhile."""
        async with self._registry.lock(container_id):
            try:
                container = self._registry.current(container_id)
            except NotFound:
                return
            if not container.paused_for_commit:
                return
            frozen = container.state.status == PAUSED
            if frozen:
                await asyncio.to_thread(self._cgroups.thaw, container.cgroup)
                container = container.with_state(status=RUNNING)
            await self._registry.save(container.replace(paused_for_commit=False), frees_room=True)
            if frozen:
                self._probing.unpause(container_id)
        if frozen:
            self._events.publish("container", "unpause", container_id, container.event_attributes())
