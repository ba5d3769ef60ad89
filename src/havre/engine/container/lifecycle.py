"""The verbs that change a container's life: start, stop, restart, kill, pause, unpause, rename, wait, resize.

Each holds the container's lock while it changes state, but never while it waits for a process to end: ending is
``supervise``'s to notice, under the same lock.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from havre.engine.container import validate
from havre.engine.container.create import EventSink
from havre.engine.container.healthchecks import Healthchecks
from havre.engine.container.record import DEAD, EXITED, PAUSED, REMOVING, RESTARTING, RUNNING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.start import Starter
from havre.engine.container.supervise import Supervisor
from havre.engine.container.wait import NEXT_EXIT, ExitStatus, Waiter, Waits
from havre.engine.trace import Trace
from havre.errors import Conflict, HavreError, InvalidParameter, NotFound, NotModified
from havre.kernel import pidfd
from havre.kernel.cgroups import Cgroups
from havre.lib.tasks import TaskOwner, being_cancelled
from havre.runtime import conmon
from havre.store.layout import Layout

_SIGKILL, _SIGTERM = 9, 15
_STOP_TIMEOUT = 10
# How long the kernel may take to end a process after SIGKILL before we say that it does not.
_KILL_PATIENCE = 10
# Seconds a removal by force lets a start go on.
_START_PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Docker's verbs on one container; ``reference`` is an id, a beginning of one, or a name."""

    registry: Registry
    starter: Starter
    supervisor: Supervisor
    health: Healthchecks
    waits: Waits
    events: EventSink
    cgroups: Cgroups
    layout: Layout
    # Starts in progress, which a removal by force may break off.
    starts: dict[str, "asyncio.Task[Container | Exception]"] = field(default_factory=dict)
    tasks: TaskOwner = field(default_factory=lambda: TaskOwner("lifecycle"))

    async def start(self, reference: str) -> Trace:
        """Start it; ``NotModified`` when it runs already. The trace holds the measured steps."""
        trace = Trace()
        container = self.registry.find(reference)
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            _refuse_removing(container)
            if container.state.status == PAUSED:
                raise Conflict("cannot start a paused container, try unpause instead")
            if container.state.running or container.state.status == RESTARTING:
                raise NotModified(f"container {container.short_id} is already running")
            await self._start_anew(container, trace)
        return trace

    async def start_again(self, container_id: str, ended: bool = False) -> None:
        """Start it for its restart policy; nothing happens when it runs or was stopped meanwhile.

        It has to wait for its restart, or with ``ended`` at least to be one that does not run.
        """
        async with self.registry.lock(container_id):
            container = self.registry.current(container_id)
            if ended and not container.state.running:
                await self._start_anew(container, Trace())
            elif container.state.status == RESTARTING:
                await self._start(container, Trace())

    async def _start_anew(self, container: Container, trace: Trace) -> None:
        """Start it because the user says so: its restart policy counts from here."""
        self.supervisor.begin_anew(container.id)
        await self._start(container.replace(restart_count=0), trace)

    async def end_start(self, container_id: str) -> None:
        """If it is being started, give that a moment and then break it off: it will not be needed."""
        starting = self.starts.get(container_id)
        if starting is not None:
            done, _ = await asyncio.wait([starting], timeout=_START_PATIENCE)
            if not done:
                starting.cancel()

    async def _start(self, container: Container, trace: Trace) -> None:
        starting = self.starts[container.id] = self.tasks.start(_outcome(self.starter.start(container, trace)), "start")
        try:
            outcome = await starting
            if isinstance(outcome, Exception):
                raise outcome
            container = outcome
        except asyncio.CancelledError:
            if starting.cancelled() and not being_cancelled():
                raise Conflict(f"container {container.short_id} is marked for removal and cannot be started") from None
            raise
        except (HavreError, OSError):
            if container.host.auto_remove:
                self.supervisor.remove_soon(container.id)
            if container.state.status == RESTARTING:
                # Who waits for its last end learns now that the one before was it.
                failed = self.registry.current(container.id).state
                self.waits.exited(container.id, ExitStatus(failed.exit_code, failed.error))
            raise
        finally:
            del self.starts[container.id]
        self.events.publish("container", "start", container.id, container.event_attributes())

    async def stop(
        self, reference: str, signal: str | None = None, timeout: int | None = None, keep: bool = False
    ) -> None:
        """Ask it to end, and end it after ``timeout`` seconds (negative: never). ``NotModified`` when it does
        not run. With ``keep`` one made with ``--rm`` stays.
        """
        container = self.registry.find(reference)
        with _prefixed(f"cannot stop container: {reference}"):
            await self._stop(container, signal, timeout, keep)

    async def _stop(self, container: Container, signal: str | None, timeout: int | None, keep: bool) -> None:
        if timeout is None:
            timeout = container.config.stop_timeout if container.config.stop_timeout is not None else _STOP_TIMEOUT
        if not await self._stop_restarting(container):
            container = self.registry.current(container.id)
            if not container.state.running:
                raise NotModified(f"container {container.short_id} is not running")
            number = validate.signal_number(signal) if signal else _stop_signal(container)
            await self._end(container, number, timeout, keep=keep)
        self.events.publish("container", "stop", container.id, container.event_attributes())

    async def restart(self, reference: str, signal: str | None = None, timeout: int | None = None) -> None:
        """Stop it if it runs, and start it."""
        container = self.registry.find(reference)
        with _prefixed(f"Cannot restart container {reference}"):
            _refuse_removing(container)
            try:
                await self._stop(container, signal, timeout, keep=True)
            except NotModified:
                pass
            async with self.registry.lock(container.id):
                container = self.registry.current(container.id)
                if not container.state.running:
                    await self._start_anew(container, Trace())
        self.events.publish("container", "restart", container.id, container.event_attributes())

    async def kill(self, reference: str, signal: str | None = None) -> None:
        """Send a signal (SIGKILL by default); with SIGKILL, return once it has ended."""
        with _prefixed(f"cannot kill container: {reference}"):
            container = self.registry.find(reference)
            number = validate.signal_to_send(signal or "SIGKILL")
        if await self._stop_restarting(container):
            return
        container = self.registry.current(container.id)
        if not container.state.running:
            raise Conflict(f"cannot kill container: {reference}: container {container.id} is not running")
        stop_number = _stop_signal(container)
        ending = number in (_SIGKILL, stop_number)
        attributes = container.event_attributes(signal=str(number))
        if number == _SIGKILL:
            await self._end(container, number, _KILL_PATIENCE, attributes)
            return
        if ending:
            await self._expect_end(container)
        self._signal(container, number)
        self.events.publish("container", "kill", container.id, attributes)
        # A frozen process would not see it.
        await self._thaw(container, told=True)

    async def end_for_removal(self, container: Container) -> None:
        """Kill it, whatever state it is in, and return once it has ended."""
        if not await self._stop_restarting(container):
            container = self.registry.current(container.id)
            if container.state.running:
                await self._end(container, _SIGKILL, _KILL_PATIENCE)

    async def end_for_shutdown(self, container: Container, timeout: int) -> None:
        """Stop it because the daemon goes: its restart policy stays in force for the next start."""
        number = _stop_signal(container)
        await self._end(container, number, timeout, by_user=False)

    async def pause(self, reference: str) -> None:
        """Freeze all its processes."""
        container = self.registry.find(reference)
        async with self.registry.lock(container.id):
            container = self._running(container.id)
            if container.state.status == PAUSED:
                raise Conflict(f"Container {container.id} is already paused")
            try:
                await asyncio.to_thread(self.cgroups.freeze, container.cgroup)
            except NotFound:
                # It has just ended; the supervisor waits for the lock to say so.
                raise Conflict(f"container {container.id} is not running") from None
            try:
                await self.registry.save(container.with_state(status=PAUSED))
            except BaseException:
                # Nobody would let it go on.
                await asyncio.to_thread(self.cgroups.thaw, container.cgroup)
                raise
            self.health.pause(container.id)
        self.events.publish("container", "pause", container.id, container.event_attributes())

    async def unpause(self, reference: str) -> None:
        """Let its processes go on."""
        container = self.registry.find(reference)
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            if container.state.status != PAUSED:
                raise Conflict(f"Container {container.id} is not paused")
            await self._go_on(container.id)
        self.events.publish("container", "unpause", container.id, container.event_attributes())

    async def rename(self, reference: str, name: str) -> None:
        """Give it another name; ``Conflict`` when that is taken."""
        container = self.registry.find(reference)
        if not name:
            raise InvalidParameter("Neither old nor new names may be empty")
        with _prefixed("Error when allocating new name"):
            new = validate.name(f"/{name.removeprefix('/')}")
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            if container.name == new:
                raise InvalidParameter("Renaming a container with the same name as its current name")
            with _prefixed("Error when allocating new name"):
                self.registry.reserve(new, container.id)
            try:
                renamed = await self.registry.save(container.replace(name=new))
            finally:
                self.registry.release(new)
            await self.starter.networks.rename(container.id, container.name, new)
        attributes = renamed.event_attributes(oldName=f"/{container.name}")
        self.events.publish("container", "rename", container.id, attributes)

    async def resize(self, reference: str, rows: int, columns: int) -> None:
        """Set the size of its terminal."""
        container = self._running(self.registry.find(reference).id)
        conmon.resize(self.layout.bundle(container.id), rows, columns)
        attributes = container.event_attributes(height=str(rows), width=str(columns))
        self.events.publish("container", "resize", container.id, attributes)

    def wait(self, reference: str, condition: str) -> Waiter:
        """Register a wait at once; its ``result`` comes with the condition."""
        return self.waits.register(self.registry.find(reference), condition)

    def _running(self, container_id: str) -> Container:
        container = self.registry.current(container_id)
        if container.state.status == RESTARTING:
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not container.state.running:
            raise Conflict(f"container {container.id} is not running")
        return container

    async def _stop_restarting(self, container: Container) -> bool:
        """Take a container that waits for its restart out of that; False when it does not wait."""
        if container.state.status != RESTARTING:
            return False
        self.supervisor.cancel_restart(container.id)
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            if container.state.status != RESTARTING:
                return False
            stopped = container.replace(stopped_by_user=True).with_state(status=EXITED)
            await self.registry.save(stopped, frees_room=True)
            self.waits.exited(container.id, ExitStatus(container.state.exit_code))
        return True

    async def _expect_end(self, container: Container, by_user: bool = True, keep: bool = False) -> None:
        """Let no restart follow the end that comes now, nor one that came this instant."""
        if not by_user:
            self.supervisor.expect_end(container.id, by_user=False)
            return
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            if container.state.running:
                self.supervisor.expect_end(container.id, by_user=True, keep=keep)
                if container.host.restart_policy.name in ("", "no") or container.stopped_by_user:
                    return
            elif container.state.status == RESTARTING:
                self.supervisor.cancel_restart(container.id)
                container = container.with_state(status=EXITED)
            else:
                return
            await self.registry.save(container.replace(stopped_by_user=True), frees_room=True)

    async def _end(
        self,
        container: Container,
        number: int,
        timeout: int,
        attributes: dict[str, str] | None = None,
        by_user: bool = True,
        keep: bool = False,
    ) -> None:
        """Signal the process and wait for its end; SIGKILL to all of it when ``timeout`` seconds were not enough."""
        waiter = self.waits.register(container, NEXT_EXIT)
        try:
            await self._expect_end(container, by_user, keep)
            if waiter.done:
                return
            told = attributes or container.event_attributes(signal=str(number))
            self.events.publish("container", "kill", container.id, told)
            if number != _SIGKILL:
                self._signal(container, number)
                await self._thaw(container, told=True)
                if await _ended(waiter, timeout):
                    return
                killed = container.event_attributes(signal=str(_SIGKILL))
                self.events.publish("container", "kill", container.id, killed)
            # Once is not enough: a process that is paused meanwhile does not see the signal before it is thawed.
            for attempt in range(_KILL_PATIENCE):
                await self._kill_all(container, thoroughly=attempt > 0)
                if await _ended(waiter, 1):
                    return
            raise Conflict(f"container {container.short_id} did not end after SIGKILL")
        finally:
            waiter.cancel()

    def _signal(self, container: Container, number: int) -> None:
        try:
            fd = pidfd.open_checked(container.state.pid, container.state.pid_start)
        except NotFound:
            # It has ended; the supervisor is about to say so.
            return
        try:
            pidfd.send(fd, number)
        except NotFound:
            return
        finally:
            os.close(fd)

    async def _kill_all(self, container: Container, thoroughly: bool) -> None:
        self._signal(container, _SIGKILL)
        # The end of the first process ends all others only in a PID namespace of its own, and waits for those that
        # the container has frozen in groups it made.
        if thoroughly or container.host.pid_mode:
            await asyncio.to_thread(self.cgroups.kill, container.cgroup)
        await self._thaw(container)

    async def _thaw(self, container: Container, told: bool = False) -> None:
        """Let its processes go on if they are, or are about to be, paused; ``told``: with an event."""
        async with self.registry.lock(container.id):
            try:
                paused = self.registry.current(container.id).state.status == PAUSED
            except NotFound:
                # Made with --rm, and ended and gone already.
                return
            if paused:
                await self._go_on(container.id)
                if told:
                    self.events.publish("container", "unpause", container.id, container.event_attributes())

    async def _go_on(self, container_id: str) -> None:
        """Unfreeze a paused container; the caller holds its lock."""
        container = self.registry.current(container_id)
        await asyncio.to_thread(self.cgroups.thaw, container.cgroup)
        going = container.replace(paused_for_commit=False).with_state(status=RUNNING)
        await self.registry.save(going, frees_room=True)
        self.health.unpause(container_id)


@contextmanager
def _prefixed(what: str) -> Iterator[None]:
    """Say what was not possible before why, as dockerd does."""
    try:
        yield
    except HavreError as error:
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
        raise


async def _outcome(work: Coroutine[Any, Any, Container]) -> Container | Exception:
    """What the caller is to return or raise: a task that fails would be logged."""
    try:
        return await work
    except Exception as error:
        return error


async def _ended(waiter: Waiter, timeout: int) -> bool:
    done, _ = await asyncio.wait([waiter.future], timeout=None if timeout < 0 else timeout)
    return bool(done)


def _stop_signal(container: Container) -> int:
    try:
        return validate.signal_number(container.config.stop_signal or "SIGTERM")
    except InvalidParameter:
        # The image's nonsense: what the user gave was checked at create.
        return _SIGTERM


def _refuse_removing(container: Container) -> None:
    if container.state.status in (REMOVING, DEAD):
        raise Conflict(f"container {container.short_id} is marked for removal and cannot be started")
