"""Exec: further processes in a running container. An exec is known until its container ends or the daemon does.

The process itself is held by a conmon of its own, like a container's, and outlives the daemon.
"""

import asyncio
import base64
import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre.engine.container import detach, users, validate
from havre.engine.container.create import EventSink
from havre.engine.container.hub import Hub, Hubs, Listener
from havre.engine.container.ocispec import SpecWriter
from havre.engine.container.record import PAUSED, RESTARTING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.session import converse
from havre.engine.container.start import exit_code_of
from havre.engine.streams import Duplex
from havre.errors import Conflict, HavreError, InvalidParameter, NotFound, StartFailed
from havre.kernel import pidfd
from havre.lib import ids
from havre.lib.tasks import TaskOwner
from havre.runtime import conmon
from havre.runtime.conmon import Conmon, Options, PendingExec
from havre.runtime.runtimes.probe import Runtimes
from havre.store.layout import Layout
from havre.wire import stdcopy
from havre.wire.containers import ExecConfig, ExecStart

# What runc says of it.
_PAUSED = "paused container"
# Seconds an ended exec can still be inspected.
_KEPT = 300.0
# Bundles of health checks are called so: no client waits for one, and the next daemon ends it.
PROBE_PREFIX = "health-"


@dataclass(slots=True)
class Exec:
    """One exec: asked for, perhaps running, perhaps ended (``exit_code`` set)."""

    id: str
    container: Container
    config: ExecConfig
    bundle: Path
    started: bool = False
    running: bool = False
    pid: int = 0
    exit_code: int | None = None
    console_size: tuple[int, int] | None = None
    ended_at: float = 0.0

    @property
    def words(self) -> str:
        """The command as events tell it, with a space behind a program without arguments, as dockerd's."""
        program, *arguments = self.config.cmd or [""]
        return f"{program} {' '.join(arguments)}"


class Execs:
    """``/containers/{id}/exec`` and ``/exec/{id}/…``."""

    def __init__(
        self,
        registry: Registry,
        runtimes: Runtimes,
        program: Conmon,
        specs: SpecWriter,
        hubs: Hubs,
        events: EventSink,
        layout: Layout,
    ) -> None:
        self._registry = registry
        self._runtimes = runtimes
        self._conmon = program
        self._specs = specs
        self._hubs = hubs
        self._events = events
        self._layout = layout
        self._execs: dict[str, Exec] = {}
        self._tasks = TaskOwner("exec")

    async def close(self) -> None:
        await self._tasks.close()

    async def create(self, reference: str, config: ExecConfig) -> str:
        """Register an exec in a running container; its id."""
        self._drop_old()
        container = self._running(reference, reference)
        if not config.cmd:
            raise InvalidParameter("No exec command specified")
        detach.parse(config.detach_keys, "escape")
        size = validate.console_size(config.console_size)
        if config.user:
            # Nobody of that name is an error of this request, not of the start.
            users.resolve(self._layout.rootfs(container.id), config.user)
        return self.register(container, config, size).id

    def register(
        self, container: Container, config: ExecConfig, size: tuple[int, int] | None = None, prefix: str = ""
    ) -> Exec:
        """An exec that can be launched; ``prefix`` begins its bundle's name."""
        exec_id = ids.new_id()
        bundle = self._layout.bundle(container.id) / "exec" / f"{prefix}{exec_id}"
        made = self._execs[exec_id] = Exec(exec_id, container, config, bundle, console_size=size)
        self._publish(f"exec_create: {made.words}", made)
        return made

    def discard(self, one: Exec) -> None:
        """Nobody will ask for this exec any more."""
        self._execs.pop(one.id, None)

    def container_ended(self, container_id: str) -> None:
        """Execs that were not started yet never will be. Those that ran are about to be noted as ended."""
        for one in [one for one in self._execs.values() if one.container.id == container_id and not one.started]:
            del self._execs[one.id]

    def ids_of(self, container_id: str) -> list[str]:
        """The execs of a container that have not ended, as its inspect shows them."""
        return [one.id for one in self._execs.values() if one.container.id == container_id and one.exit_code is None]

    def forget(self, container_id: str) -> None:
        """The container is gone, and its execs with it."""
        for one in [one for one in self._execs.values() if one.container.id == container_id]:
            del self._execs[one.id]

    async def inspect(self, exec_id: str) -> dict[str, Any]:
        """``GET /exec/{id}/json``."""
        one = self._find(exec_id)
        config = one.config
        command = config.cmd or []
        return {
            "ID": one.id,
            "Running": one.running,
            "ExitCode": one.exit_code,
            "ProcessConfig": {
                "tty": config.tty,
                "entrypoint": command[0],
                "arguments": command[1:],
                "privileged": config.privileged,
                **({"user": config.user} if config.user else {}),
            },
            "OpenStdin": config.attach_stdin,
            "OpenStderr": config.attach_stderr,
            "OpenStdout": config.attach_stdout,
            "CanRemove": False,
            "ContainerID": one.container.id,
            # Bytes, as Go writes them to JSON.
            "DetachKeys": base64.b64encode(detach.parse(config.detach_keys)).decode() if config.detach_keys else "",
            "Pid": one.pid,
        }

    async def resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Set the size of its terminal; before the start it is remembered."""
        one = self._find(exec_id)
        one.console_size = (rows, columns)
        if one.exit_code is not None:
            raise NotFound(f"process does not exist {exec_id}: not found")
        if one.running:
            conmon.resize(one.bundle, rows, columns)

    async def prepare_start(self, exec_id: str, start: ExecStart) -> "ExecSession":
        """Check that it can be started: errors up to here are HTTP statuses."""
        one = self._find(exec_id)
        if one.started:
            over = one.exit_code is not None
            raise Conflict(f"exec command {exec_id} " + ("has already run" if over else "is already running"))
        self._running(one.container.id)
        one.started = True
        one.console_size = validate.console_size(start.console_size) or one.console_size
        return ExecSession(self, one, start.tty)

    async def start(self, exec_id: str, start: ExecStart, stream: Duplex | None = None) -> None:
        """Start it; without a stream return once it runs, ``StartFailed`` when it does not."""
        session = await self.prepare_start(exec_id, start)
        if stream is not None:
            await session.run(stream)
            return
        pending = await self.launch(session.exec, attached=False)
        self._tasks.start(self.finish(session.exec, pending), f"exec {exec_id[:12]}")

    def _drop_old(self) -> None:
        """Forget execs that ended a while ago: a container may see very many."""
        limit = time.monotonic() - _KEPT
        for one in [one for one in self._execs.values() if one.ended_at and one.ended_at < limit]:
            del self._execs[one.id]

    def _find(self, exec_id: str) -> Exec:
        try:
            return self._execs[exec_id]
        except KeyError:
            raise NotFound(f"No such exec instance: {exec_id}") from None

    def _running(self, reference: str, called: str = "") -> Container:
        container = self._registry.find(reference)
        if container.state.status == PAUSED:
            raise _paused(called or container.id)
        if container.state.status == RESTARTING:
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not container.state.running:
            raise Conflict(f"container {container.id} is not running")
        return container

    def _check_alive(self, container_id: str) -> None:
        """That the container was stopped or paused meanwhile is a better reason than what came of it."""
        state = self._running(container_id).state
        if pidfd.start_time(state.pid) != state.pid_start:
            raise Conflict(f"container {container_id} is not running")

    async def launch(self, one: Exec, attached: bool, hub: Hub | None = None) -> PendingExec:
        """Start the process; the hub is connected before it runs."""
        config, container = one.config, one.container
        size = one.console_size
        self._publish(f"exec_start: {one.words}", one)
        try:
            # Not with all its parents: the container's own directory goes when the container ends.
            one.bundle.parent.mkdir(exist_ok=True, mode=0o700)
            one.bundle.mkdir(mode=0o700)
            process = self._specs.exec_process(
                container,
                self._layout.rootfs(container.id),
                config.cmd or [],
                env=config.env or [],
                cwd=config.working_dir,
                user=config.user,
                tty=config.tty,
                privileged=config.privileged,
                console_size=size,
            )
            (one.bundle / "process.json").write_text(json.dumps(process))
            options = Options(config.tty, attached and config.attach_stdin, keep_stdin=False, log=None)
            runtime = self._runtimes.choose(container.runtime)
            pending = await self._conmon.prepare_exec(container.id, runtime, one.bundle, options)
            try:
                if hub is not None:
                    hub.open()
                one.pid = await pending.start()
            except BaseException:
                pending.close()
                raise
        except StartFailed as error:
            told = explain(error)
            one.exit_code, one.ended_at = told.exit_code, time.monotonic()
            await asyncio.to_thread(shutil.rmtree, one.bundle, ignore_errors=True)
            self._check_alive(container.id)
            if _PAUSED in error.message:
                # Only for a moment: by now it goes on again.
                raise _paused(container.id) from None
            raise told from None
        except (HavreError, OSError):
            one.exit_code, one.ended_at = 126, time.monotonic()
            await asyncio.to_thread(shutil.rmtree, one.bundle, ignore_errors=True)
            self._check_alive(container.id)
            raise
        one.running = True
        if config.tty and one.console_size not in (None, size):
            # Asked for while the process was being started: clients before API 1.42 have no other way.
            with suppress(NotFound):
                conmon.resize(one.bundle, *one.console_size)
        return pending

    async def finish(self, one: Exec, pending: PendingExec, hub: Hub | None = None) -> None:
        """Wait for the end and note it."""
        hurrying = self._tasks.start(_hurry(one.pid, hub), f"hurry exec {one.id[:12]}") if hub is not None else None
        try:
            one.exit_code = await pending.exit_code()
        except StartFailed:
            # conmon was killed: its word on the exit code is lost.
            one.exit_code = 137
        finally:
            pending.close()
            if hurrying is not None:
                hurrying.cancel()
        one.running, one.ended_at = False, time.monotonic()
        self._publish("exec_die", one, exitCode=str(one.exit_code))
        # Nobody who waits for the end waits for this.
        tidying = asyncio.to_thread(shutil.rmtree, one.bundle, ignore_errors=True)
        self._tasks.start(tidying, f"tidy exec {one.id[:12]}")

    def _publish(self, action: str, one: Exec, **more: str) -> None:
        attributes = one.container.event_attributes(execID=one.id, **more)
        self._events.publish("container", action, one.container.id, attributes)

    async def serve(self, one: Exec, stream: Duplex, framed: bool) -> None:
        """Run it with a client attached, who expects frames or plain bytes."""
        config = one.config
        hub = self._hubs.new(one.bundle)
        listener = Listener(stream.write, config.attach_stdout, config.attach_stderr, framed, asyncio.Event())
        hub.listen(listener)
        try:
            pending = await self.launch(one, attached=True, hub=hub)
        except (HavreError, OSError) as error:
            await _tell(stream, f"{error}\r\n".encode(), framed=framed)
            return
        # The end is noted whether or not the client stays.
        finishing = self._tasks.start(self.finish(one, pending, hub), f"exec {one.id[:12]}")
        keys = detach.parse(config.detach_keys)
        detector = detach.Detector(keys) if config.attach_stdin and config.tty else None
        if await converse(stream, hub, listener, config.attach_stdin, detector, hub.end_input):
            self._publish("exec_detach", one)
            return
        # A client that sees the end of the stream asks for the exit code at once.
        await asyncio.shield(finishing)


@dataclass(frozen=True, slots=True)
class ExecSession:
    """An exec about to run with a client attached."""

    execs: Execs
    exec: Exec
    # What the client that starts it takes it for: it decides whether the stream is framed.
    tty: bool

    async def run(self, stream: Duplex) -> None:
        """Serve the client to the end of the process; closes the stream."""
        try:
            await self.execs.serve(self.exec, stream, framed=not self.tty)
            await stream.write_eof()
        except ConnectionError:
            return
        finally:
            stream.close()


def _paused(called: str) -> Conflict:
    return Conflict(f"Container {called} is paused, unpause the container before exec")


def explain(error: StartFailed) -> StartFailed:
    """The runtime's refusal in Docker's words."""
    return StartFailed(f"OCI runtime exec failed: {error.message}", exit_code_of(error))


async def _hurry(pid: int, hub: Hub) -> None:
    """From the end of the process on, do not let its client keep conmon from reaping it: a zombie in a container's PID
    namespace keeps the container from ending.
    """
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        hub.hurry()
        return
    try:
        await pidfd.wait(fd)
    finally:
        os.close(fd)
    hub.hurry()


async def _tell(stream: Duplex, message: bytes, framed: bool) -> None:
    await stream.write(stdcopy.frame(1, message) if framed else message)
