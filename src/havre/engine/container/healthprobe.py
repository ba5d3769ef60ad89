"""One run of a health check: an exec without a client, whose output is kept and whose time is limited."""

import asyncio
import os
import time
from contextlib import suppress

from havre.engine.container import health
from havre.engine.container.exec import PROBE_PREFIX, Exec, Execs
from havre.engine.container.hub import Hubs, Listener
from havre.engine.container.record import Container, HealthResult
from havre.errors import HavreError, NotFound
from havre.kernel import pidfd
from havre.lib.tasks import TaskOwner
from havre.lib.times import go_duration
from havre.wire.containers import ExecConfig

_SIGKILL = 9
# Seconds a killed probe may take to be gone: one in a paused container takes longer, and is left to itself.
_PATIENCE = 5.0


class Prober:
    """Runs probes. Cancelling a run kills its process and does not wait for that."""

    def __init__(self, execs: Execs, hubs: Hubs) -> None:
        self._execs = execs
        self._hubs = hubs
        self._tasks = TaskOwner("health")

    async def close(self) -> None:
        """Let go of what runs: the next daemon ends it."""
        await self._tasks.close()

    async def run(self, container: Container, command: list[str], limit: int) -> HealthResult:
        """The result of ``command``, which gets ``limit`` nanoseconds. A probe that cannot be run has failed."""
        started = time.time_ns()
        output, enough = _Output(), asyncio.Event()
        running = self._tasks.start(self._run(container, command, output, enough), f"probe of {container.short_id}")
        try:
            done, _ = await asyncio.wait([running], timeout=limit / 1e9)
            if not done:
                enough.set()
                await asyncio.wait([running], timeout=_PATIENCE)
                told = f": {output.text()}" if output.text() else ""
                return HealthResult(
                    started, time.time_ns(), -1, f"Health check exceeded timeout ({go_duration(limit)}){told}"
                )
        finally:
            enough.set()
        code, complaint = running.result()
        return HealthResult(started, time.time_ns(), code, complaint or output.text())

    async def _run(
        self, container: Container, command: list[str], output: "_Output", enough: asyncio.Event
    ) -> tuple[int, str]:
        """The exit code of the probe, or -1 and why it could not be run; once there is ``enough`` it is killed."""
        config = ExecConfig(cmd=command, attach_stdout=True, attach_stderr=True)
        one = self._execs.register(container, config, prefix=PROBE_PREFIX)
        one.started = True
        hub = self._hubs.new(one.bundle)
        listener = Listener(output.take, True, True, False, asyncio.Event())
        hub.listen(listener)
        try:
            pending = await self._execs.launch(one, attached=True, hub=hub)
            killing = self._tasks.start(_kill_when(enough, one), f"end of the probe of {container.short_id}")
            try:
                await self._execs.finish(one, pending, hub)
                await listener.ended.wait()
            finally:
                killing.cancel()
                hub.leave(listener)
        except (HavreError, OSError) as error:
            return -1, str(error)
        finally:
            self._execs.discard(one)
        return -1 if one.exit_code is None else one.exit_code, ""


class _Output:
    """What a probe has written, as far as it is kept."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._more = False

    async def take(self, data: bytes) -> None:
        room = health.LONGEST_OUTPUT - len(self._kept)
        self._more = self._more or len(data) > room
        self._kept += data[:room]

    def text(self) -> str:
        return self._kept.decode(errors="replace") + "..." * self._more


async def _kill_when(enough: asyncio.Event, one: Exec) -> None:
    try:
        # At once: later its number might be another process's.
        process = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return
    try:
        await enough.wait()
        with suppress(NotFound):
            pidfd.send(process, _SIGKILL)
    finally:
        os.close(process)
