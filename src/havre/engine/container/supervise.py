"""Supervise: see a container's process end, release what it held, tell those who wait, and restart it if its policy
says so.

conmon is watched by pidfd: it ends when the process has ended, all output is written and the exit code is on disk. The
process is watched too, since from its end on clients that do not read must not hold conmon up. That works the same for
containers this daemon started and for those it found running.
"""

import asyncio
import logging
import os
import select
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from havre.engine.container import network, ooms, volumeevents
from havre.engine.container.create import EventSink
from havre.engine.container.exec import Execs
from havre.engine.container.healthchecks import Healthchecks
from havre.engine.container.hub import Hubs
from havre.engine.container.logs import Logs
from havre.engine.container.ooms import OomWatch
from havre.engine.container.record import EXITED, RESTARTING, Container, Health
from havre.engine.container.registry import Registry
from havre.engine.container.release import Releaser
from havre.engine.container.wait import ExitStatus, Waits
from havre.errors import HavreError, NotFound
from havre.kernel import pidfd
from havre.kernel.cgroups import Cgroups
from havre.kernel.descriptors import readable
from havre.lib.tasks import TaskOwner
from havre.runtime import conmon
from havre.store.layout import Layout

log = logging.getLogger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 60.0
# A container that ran this long is taken to work: the next failure starts again with the shortest delay.
_HEALTHY = 10.0
# Seconds conmon has to write the log and exit code of a process that has ended: fewer than a removal has patience.
_MONITOR_PATIENCE = 6.0
_RETRY_DELAY = 1.0


class Supervisor:
    """Watches every running container, one task each."""

    def __init__(
        self,
        registry: Registry,
        releaser: Releaser,
        hubs: Hubs,
        logs: Logs,
        waits: Waits,
        events: EventSink,
        cgroups: Cgroups,
        layout: Layout,
        health: Healthchecks,
        execs: Execs,
    ) -> None:
        self._registry = registry
        self._releaser = releaser
        self._hubs = hubs
        self._logs = logs
        self._waits = waits
        self._events = events
        self._cgroups = cgroups
        self._layout = layout
        self._health = health
        self._execs = execs
        self._tasks = TaskOwner("supervise")
        self._delays: dict[str, float] = {}
        self._ooms = OomWatch(layout)
        self._ooms.tell = self._note_oom
        # Containers whose present end is wanted: stop and kill say so before they signal.
        self._expected: dict[str, _Wish] = {}
        self._restarts: dict[str, asyncio.Task[None]] = {}
        self.restart: Callable[[str], Awaitable[None]] | None = None
        self.remove: Callable[[str], Awaitable[None]] | None = None
        self._stopping = False
        self._may_restart = asyncio.Event()
        self._may_restart.set()

    def watch(self, container: Container) -> None:
        """Watch a container that runs, and its health."""
        self._health.started(container)
        self._ooms.watch(container)
        self._tasks.start(self._watch(container), f"watch {container.short_id}")

    async def adopt(self, container: Container) -> None:
        """Watch a container that ran under the last daemon; one that ended meanwhile is seen to end before this
        returns.
        """
        if pidfd.start_time(container.state.conmon_pid) == container.state.conmon_start:
            # The last daemon's connection is gone, and with it a stdin that was to be read once: ours may come and go.
            self._hubs.started(container.id, self._layout.bundle(container.id), keep_open=False)
            self.watch(container)
        else:
            await self._watch(container)

    @contextmanager
    def restarts_held(self) -> Iterator[None]:
        """Restart nothing inside: who clears away would take what a start has just made for a rest of the dead."""
        self._may_restart.clear()
        try:
            yield
        finally:
            self._may_restart.set()

    def expect_end(self, container_id: str, by_user: bool, keep: bool = False) -> None:
        """The end that comes now is wanted: no restart, and with ``keep`` no removal of one made with ``--rm``."""
        before = self._expected.get(container_id, _Wish(False, False))
        self._expected[container_id] = _Wish(by_user or before.by_user, keep or before.keep)

    def begin_anew(self, container_id: str) -> None:
        """The user starts it: what its restart policy has tried so far counts no more."""
        self._expected.pop(container_id, None)
        self._delays.pop(container_id, None)

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        self.cancel_restart(container_id)
        self.begin_anew(container_id)

    def cancel_restart(self, container_id: str) -> None:
        """Do not restart a container that waits to be."""
        task = self._restarts.pop(container_id, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop watching; the containers run on."""
        self._stopping = True
        await self._ooms.close()
        await self._tasks.close()

    async def _watch(self, container: Container) -> None:
        await self._await_end(container)
        end: _End | None = None
        while True:
            try:
                async with self._registry.lock(container.id):
                    # Read once: what it is read from is released with the rest.
                    end = end or await self._read_end(container.id)
                    if end is not None:
                        await self._ended(container.id, end)
                return
            except NotFound:
                return
            except (HavreError, OSError) as error:
                # A full disk, as a rule. Until its end is on disk nobody may be told of it.
                log.error("container %s has ended, which cannot be noted: %s", container.short_id, error)
            await asyncio.sleep(_RETRY_DELAY)

    async def _await_end(self, container: Container) -> None:
        while True:
            try:
                await self._see_end(container)
                return
            except OSError as error:
                # Too many open files, as a rule: it can be watched when some are closed.
                log.error("container %s cannot be watched: %s", container.short_id, error)
            await asyncio.sleep(_RETRY_DELAY)

    async def _see_end(self, container: Container) -> None:
        """Return when conmon has ended: right after the container's process, whatever its clients do."""
        state = container.state
        with ExitStack() as closing:
            try:
                monitor = pidfd.open_checked(state.conmon_pid, state.conmon_start)
            except NotFound:
                return
            closing.callback(os.close, monitor)
            try:
                process = pidfd.open_checked(state.pid, state.pid_start)
            except NotFound:
                pass
            else:
                closing.callback(os.close, process)
                await _first(monitor, process)
            self._hubs.hurry(container.id)
            try:
                async with asyncio.timeout(_MONITOR_PATIENCE):
                    await pidfd.wait(monitor)
            except TimeoutError:
                log.error("conmon of container %s does not end by itself: it is killed", container.short_id)
                with suppress(NotFound):
                    pidfd.send(monitor, signal.SIGKILL)
                await pidfd.wait(monitor)

    async def _read_end(self, container_id: str) -> "_End | None":
        """How it ended; None when its end has been noted already."""
        container = self._registry.current(container_id)
        if not container.state.running:
            return None
        bundle = self._layout.bundle(container_id)
        code = conmon.exit_code(bundle)
        if code is None:
            # conmon itself was killed: the process has lost its terminal and its log, so it cannot go on.
            await asyncio.to_thread(self._cgroups.kill, container.cgroup)
            code = 137
        self._ooms.forget(container_id)
        known = container.state.oom_killed
        oom = ooms.noted(bundle) or (not known and self._cgroups.oom_kills(container.cgroup) > 0)
        return _End(code, known or oom, oom, time.time_ns(), self._health.ended(container_id))

    async def _note_oom(self, container_id: str) -> None:
        """The kernel has killed one of its processes; it may go on without that."""
        try:
            async with self._registry.lock(container_id):
                container = self._registry.current(container_id)
                if not container.state.running or not ooms.settle(self._layout.bundle(container_id)):
                    return
                if not container.state.oom_killed:
                    container = await self._registry.save(container.with_state(oom_killed=True))
        except (HavreError, OSError) as error:
            log.error("container %s has lost a process for want of memory: %s", container_id[:12], error)
            return
        self._events.publish("container", "oom", container_id, container.event_attributes())

    async def _ended(self, container_id: str, end: "_End") -> None:
        container = self._registry.current(container_id)
        self._hubs.ended(container_id)
        self._execs.container_ended(container_id)
        # Whoever is told of the end may read the log.
        await asyncio.gather(self._releaser.release(container), self._logs.ended(container))
        wish = self._expected.get(container_id)
        again = wish is None and not self._stopping and wants_restart(container, end.code)
        container = network.disconnected(container).with_state(
            status=RESTARTING if again else EXITED,
            pid=0,
            conmon_pid=0,
            exit_code=end.code,
            oom_killed=end.oom,
            finished_at=end.at,
            health=end.health or container.state.health,
        )
        removing = container.host.auto_remove and not again and not (wish and wish.keep)
        if wish and wish.by_user:
            container = container.replace(stopped_by_user=True)
        if again:
            container = container.replace(restart_count=container.restart_count + 1)
        container = await self._registry.save(container, frees_room=True)
        self._expected.pop(container_id, None)
        volumeevents.unmounted(self._events, container)
        if end.oom_untold:
            self._events.publish("container", "oom", container_id, container.event_attributes())
        ran = container.state.finished_at - container.state.started_at
        attributes = container.event_attributes(execDuration=str(ran // 1_000_000_000), exitCode=str(end.code))
        self._events.publish("container", "die", container_id, attributes)
        self._waits.exited(container_id, ExitStatus(end.code, container.state.error or None))
        if again:
            self._schedule(container, ran / 1e9)
        elif removing:
            self.remove_soon(container_id)

    def remove_soon(self, container_id: str) -> None:
        """Remove a container made with ``--rm``, in the background; its lock may be held now."""
        self._tasks.start(self._remove(container_id), f"remove {container_id[:12]}")

    async def _remove(self, container_id: str) -> None:
        if self.remove is None:
            return
        try:
            await self.remove(container_id)
        except NotFound:
            return
        except (HavreError, OSError) as error:
            log.error("container %s could not be removed: %s", container_id[:12], error)
            self._waits.failed(container_id, str(error))

    def _schedule(self, container: Container, ran: float) -> None:
        delay = self._delays.get(container.id, _FIRST_DELAY / 2)
        delay = _FIRST_DELAY if ran >= _HEALTHY else min(delay * 2, _LONGEST_DELAY)
        self._delays[container.id] = delay
        self._restarts[container.id] = self._tasks.start(
            self._restart(container.id, delay), f"restart {container.short_id}"
        )

    async def _restart(self, container_id: str, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._may_restart.wait()
        self._restarts.pop(container_id, None)
        if self.restart is None:
            return
        try:
            await self.restart(container_id)
        except NotFound:
            return
        except (HavreError, OSError) as error:
            log.error("container %s could not be restarted: %s", container_id[:12], error)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Why a container is about to end: the user wants it so, or the daemon; ``keep``: to start it again."""

    by_user: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class _End:
    """How and when (``at``, nanoseconds since the epoch) a container's process ended."""

    code: int
    oom: bool
    # Nobody was told of the kill while it ran.
    oom_untold: bool
    at: int
    health: Health | None


async def _first(*descriptors: int) -> None:
    """Return when one of several processes, given by pidfd, has ended."""
    with select.epoll() as ends:
        for fd in descriptors:
            ends.register(fd, select.EPOLLIN)
        await readable(ends.fileno())


def wants_restart(container: Container, code: int) -> bool:
    """Whether the restart policy starts the container again after it ended with ``code`` by itself."""
    policy = container.host.restart_policy
    if policy.name in ("always", "unless-stopped"):
        return not container.stopped_by_user
    if policy.name == "on-failure" and code != 0:
        return policy.maximum_retry_count == 0 or container.restart_count < policy.maximum_retry_count
    return False
