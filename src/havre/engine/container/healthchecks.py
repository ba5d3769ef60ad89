"""Runs the health checks of all running containers, and knows what they found.

A container without a check costs nothing here; one with a check costs one sleeping task. What was found lives in
memory; the record keeps it from the container's end on (``supervise``). A daemon that starts probes anew, as Docker's
does: containers it finds running are "starting" until their first result.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from havre.engine.container import health
from havre.engine.container.create import EventSink
from havre.engine.container.healthprobe import Prober
from havre.engine.container.record import PAUSED, Container, Health
from havre.engine.container.registry import Registry
from havre.errors import HavreError
from havre.lib.tasks import TaskOwner
from havre.wire.containers import HealthConfig

log = logging.getLogger(__name__)


class _Watched:
    """One running container with a health check; ``task`` probes it unless it is paused."""

    def __init__(self, container: Container, command: list[str], config: HealthConfig, found: Health) -> None:
        self.container = container
        self.command = command
        self.config = config
        self.health = found
        self.task: asyncio.Task[None] | None = None


class Healthchecks:
    """``started`` and ``ended`` frame a container's run; ``pause`` and ``unpause`` may come in between."""

    def __init__(self, registry: Registry, prober: Prober, events: EventSink) -> None:
        self._registry = registry
        self._prober = prober
        self._events = events
        self._watched: dict[str, _Watched] = {}
        self._tasks = TaskOwner("health checks")
        self.restart: Callable[[str], Awaitable[None]] | None = None

    def of(self, container: Container) -> Health | None:
        """What is known of its health; None when it has no check or never ran."""
        watched = self._watched.get(container.id)
        return watched.health if watched is not None else container.state.health

    def started(self, container: Container) -> None:
        """It runs (or was found running): probe it if it has a check."""
        command = health.command(container.config)
        if command is None or container.config.healthcheck is None:
            return
        before = container.state.health
        found = Health(health.STARTING, log=before.log if before is not None else ())
        watched = _Watched(container, command, container.config.healthcheck, found)
        self._watched[container.id] = watched
        if container.state.status != PAUSED:
            self._begin(watched)

    def pause(self, container_id: str) -> None:
        """It is frozen: no probe until it goes on. Docker calls it unhealthy meanwhile."""
        watched = self._watched.get(container_id)
        if watched is not None:
            self._stop(watched)

    def unpause(self, container_id: str) -> None:
        """It goes on."""
        watched = self._watched.get(container_id)
        if watched is not None and watched.task is None:
            self._begin(watched)

    def ended(self, container_id: str) -> Health | None:
        """It does not run any more; what its record is to keep."""
        watched = self._watched.pop(container_id, None)
        if watched is None:
            return None
        self._stop(watched)
        return watched.health

    async def close(self) -> None:
        """Stop probing; the containers run on."""
        await self._tasks.close()
        await self._prober.close()

    def _begin(self, watched: _Watched) -> None:
        watched.task = self._tasks.start(self._watch(watched), watched.container.short_id)

    def _stop(self, watched: _Watched) -> None:
        if watched.task is not None:
            watched.task.cancel()
            watched.task = None
            watched.health = health.with_status(watched.health, health.UNHEALTHY)

    async def _watch(self, watched: _Watched) -> None:
        container, config = watched.container, watched.config
        started_at = container.state.started_at
        while True:
            pause = health.pause_before_next(config, watched.health, time.time_ns() - started_at)
            await asyncio.sleep(pause / 1e9)
            container = self._registry.current(container.id)
            result = await self._prober.run(container, watched.command, health.timeout(config))
            before = watched.health.status
            watched.health = health.judged(watched.health, result, config, started_at)
            status = watched.health.status
            if status != before:
                action = f"health_status: {status}"
                self._events.publish("container", action, container.id, container.event_attributes())
            if health.restart_due(watched.health, config) and health.restarts_when_unhealthy(container):
                self._restart_soon(container)

    def _restart_soon(self, container: Container) -> None:
        """Not in the task of the watch, which the restart ends."""
        if self.restart is not None:
            log.info("container %s is unhealthy and asks to be restarted", container.short_id)
            self._tasks.start(self._restart(self.restart, container), f"restart {container.short_id}")

    async def _restart(self, restart: Callable[[str], Awaitable[None]], container: Container) -> None:
        try:
            await restart(container.id)
        except (HavreError, OSError) as error:
            log.error("container %s is unhealthy and could not be restarted: %s", container.short_id, error)
