"""Start: from a record to a running process. Each step pushes its undo; a failure unwinds all of them.

The network is made while the runtime makes the container, since neither needs the other; both are there before the
process is let go. See docs/ARCHITECTURE.md, "The life of a request".
"""

import asyncio
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from havre.engine.container import endpoints, network, volumeevents
from havre.engine.container.create import EventSink
from havre.engine.container.etc import EtcFiles
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.hub import Hubs
from havre.engine.container.joins import Joined, Joins
from havre.engine.container.links import Links
from havre.engine.container.logs import Logs
from havre.engine.container.ocispec import Place, SpecWriter
from havre.engine.container.plugs import Plugs
from havre.engine.container.record import CREATED, EXITED, RESTARTING, RUNNING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.release import Releaser
from havre.engine.container.rootfs import replace_links
from havre.engine.trace import Trace
from havre.errors import HavreError, NotFound, StartFailed, SystemFault
from havre.image.snapshots import Snapshotter
from havre.kernel import pidfd
from havre.kernel.realtime import RealtimeShare
from havre.network.model import Endpoint
from havre.network.networks import Networks
from havre.runtime.conmon import Conmon, Monitor, Options
from havre.runtime.runtimes.probe import Runtimes
from havre.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts containers; the caller holds the container's lock."""

    registry: Registry
    snapshotter: Snapshotter
    networks: Networks
    plugs: Plugs
    runtimes: Runtimes
    conmon: Conmon
    specs: SpecWriter
    etc: EtcFiles
    host_mounts: HostMounts
    joins: Joins
    links: Links
    hubs: Hubs
    logs: Logs
    releaser: Releaser
    events: EventSink
    layout: Layout
    realtime: RealtimeShare
    watch: Callable[[Container], None]

    async def start(self, container: Container, trace: Trace) -> Container:
        """Run the container and return its new record. On failure the record keeps Docker's exit code and the
        reason.
        """
        try:
            group = self.specs.group(container)
            if group != container.cgroup:
                # The daemon has another driver of control groups by now: who cleans up looks where the record says.
                container = await self.registry.save(container.replace(group=group))
            if container.host.cpu_realtime_runtime:
                self.realtime.allow(group)
            return await self._start(container, trace)
        except StartFailed as error:
            told = explain(error)
            await self._note_failure(container, told)
            raise told from None
        except (HavreError, OSError) as error:
            await self._note_failure(container, error)
            raise
        except asyncio.CancelledError:
            # Broken off to be removed, perhaps after the record said "running".
            await self._note_failure(container, SystemFault("the start was broken off"))
            raise

    async def _start(self, container: Container, trace: Trace) -> Container:
        bundle, rootfs = self.layout.bundle(container.id), self.layout.rootfs(container.id)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.releaser.release, container)
            linked = self.links.of(container)
            joined = self.joins.open(container)
            undo.callback(joined.close)
            with trace.step("mounts"):
                shutil.rmtree(bundle, ignore_errors=True)
                bundle.mkdir(mode=0o700, exist_ok=True)
                await self.snapshotter.mount(container.id, rootfs, under=self.layout.init_layer)
                replace_links(rootfs)
                sources = await self.host_mounts.prepare(container)
                await self.host_mounts.fill(container, rootfs, sources)
            volumeevents.mounted(self.events, container)
            undo.callback(volumeevents.unmounted, self.events, container)
            netns = await self._sandbox(container, trace)
            with trace.step("configuration"):
                if joined.files is None:
                    self.etc.prepare(container)
                spec = self.specs.container(container, self._place(container, netns, joined, sources))
                (bundle / "config.json").write_text(json.dumps(spec))
            monitor, connected = await self._create(container, bundle, trace)
            container = network.connected(container, connected)
            joined.check()
            if joined.files is None:
                self.etc.complete(container, connected, linked)
            container = self._running(container, monitor)
            self.hubs.started(container.id, bundle, container.config.open_stdin and container.config.stdin_once)
            with trace.step("start"):
                # The record says "running" before the process does anything: a daemon killed in between finds it by it.
                container = await self.registry.save(container)
                await self.runtimes.choose(container.runtime).start(container.id)
            undo.pop_all()
        joined.close()
        self.watch(container)
        self.links.tell(container)
        return container

    def _place(self, container: Container, netns: str | None, joined: Joined, sources: dict[int, Path]) -> Place:
        shm = self.host_mounts.shm(container.id) if container.host.ipc_mode == "shareable" else joined.shm
        files = joined.files or self.layout.container(container.id)
        return Place(self.layout.rootfs(container.id), files, netns, joined.namespaces, shm, sources)

    async def _sandbox(self, container: Container, trace: Trace) -> str | None:
        mode = container.host.network_mode
        if not network.own(container):
            return None if mode == "host" else ""
        for name in container.endpoints:
            if self.networks.find(name) is None:
                raise NotFound(f"{_NO_NETWORK}network {name} not found")
        with trace.step("network namespace"):
            path = await self.networks.sandbox_create(container.id)
            if network.named(container):
                await self.networks.names.attach(container.id, path, self.etc.upstream(container))
        return str(path)

    async def _create(self, container: Container, bundle: Path, trace: Trace) -> tuple[Monitor, list[Endpoint]]:
        """conmon and runtime on one side, the network on the other; both end, whichever fails."""
        tasks = self._run_conmon(container, bundle, trace), self._connect(container, trace)
        monitor, connected = await asyncio.gather(*tasks, return_exceptions=True)
        for result in (connected, monitor):
            if isinstance(result, BaseException):
                raise result
        assert isinstance(monitor, Monitor) and isinstance(connected, list)
        return monitor, connected

    async def _run_conmon(self, container: Container, bundle: Path, trace: Trace) -> Monitor:
        config = container.config
        await self.logs.begin(container)
        options = Options(
            terminal=config.tty,
            stdin=config.open_stdin,
            keep_stdin=not config.stdin_once,
            log=self.logs.path(container),
        )
        with trace.step("runtime create"):
            return await self.conmon.create(container.id, self.runtimes.choose(container.runtime), bundle, options)

    async def _connect(self, container: Container, trace: Trace) -> list[Endpoint]:
        if not network.own(container):
            return []
        with trace.step("network"):
            # A mode may be an id.
            main = endpoints.name_of(container.host.network_mode, self.networks.find)
            for name in network.wanted(container, main):
                try:
                    await self.plugs.plug(container, name)
                except HavreError as error:
                    raise type(error)(f"{_NO_NETWORK}{error.message}") from None
        return self.networks.endpoints_of(container.id)

    def _running(self, container: Container, monitor: Monitor) -> Container:
        started, conmon_started = pidfd.start_time(monitor.pid), pidfd.start_time(monitor.conmon_pid)
        if started is None or conmon_started is None:
            raise SystemFault("the container's process ended before it was started")
        return container.replace(stopped_by_user=False).with_state(
            status=RUNNING,
            pid=monitor.pid,
            pid_start=started,
            conmon_pid=monitor.conmon_pid,
            conmon_start=conmon_started,
            exit_code=0,
            error="",
            oom_killed=False,
            started_at=time.time_ns(),
        )

    async def _note_failure(self, container: Container, error: HavreError | OSError) -> None:
        self.hubs.ended(container.id)
        self.hubs.give_up(container.id)
        self.logs.forget(container.id)
        code = error.exit_code if isinstance(error, StartFailed) else 128
        # A restart that fails is the end of restarting, as in Docker.
        status = {RUNNING: CREATED, RESTARTING: EXITED}.get(container.state.status, container.state.status)
        await self.registry.save(network.disconnected(container).with_state(
            status=status, pid=0, conmon_pid=0, exit_code=code, error=str(error)
        ))  # fmt: skip


_NO_NETWORK = "failed to set up container networking: "
_FAILED = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
_WRONG_KIND = "not a directory"
_HINT = (
    "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is "
    "the expected type"
)
_NOT_FOUND = re.compile("executable file.*not found|no such file or directory")
_NOT_EXECUTABLE = re.compile("permission denied|is a directory|exec format error")


def exit_code_of(error: StartFailed) -> int:
    """Docker's exit code for a process the runtime could not start: 127 not found, 126 not executable, else 128."""
    if _NOT_FOUND.search(error.message):
        return 127
    return 126 if _NOT_EXECUTABLE.search(error.message) else 128


def explain(error: StartFailed) -> StartFailed:
    """The runtime's refusal in Docker's words, by which clients choose between exit codes 127 and 126."""
    message = f"{_FAILED}{error.message}"
    if _WRONG_KIND not in error.message:
        return StartFailed(message, exit_code_of(error))
    return StartFailed(f"{message}: {_HINT}", 127)
