"""runc, without a process for starting and deleting: measured, each costs 4–5 ms of a container's start.

runc keeps a container that waits for its start behind a FIFO in its state directory; ``runc start`` reads a byte from
it and removes it, so does ``start`` here. Of an ended container runc keeps that directory and the cgroup. Both have
been so since runc 1.0; where the FIFO is not found, the command line is used. See
docs/adr/0003-runtime-without-processes.md.
"""

import asyncio
import os
import select
import shutil
from pathlib import Path

from havre.errors import SystemFault
from havre.runtime.runtimes.process import ProcessRuntime

_FIFO = "exec.fifo"


class RuncRuntime(ProcessRuntime):
    """An ``OciRuntime`` for runc."""

    async def start(self, container_id: str) -> None:
        fifo = self.root / container_id / _FIFO
        if not fifo.exists():
            await super().start(container_id)
            return
        await asyncio.to_thread(_release, fifo)

    async def delete(self, container_id: str, cgroup: str) -> None:
        await asyncio.to_thread(self._forget, container_id, cgroup)

    def _forget(self, container_id: str, cgroup: str) -> None:
        self._cgroups.remove(cgroup)
        shutil.rmtree(self.root / container_id, ignore_errors=True)


def _release(fifo: Path) -> None:
    # Non-blocking: the waiting process may have been killed, and then nobody would ever open the other end.
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(fd, True)
        if _poll_readable(fd) and os.read(fd, 1):
            fifo.unlink(missing_ok=True)
            return
    finally:
        os.close(fd)
    raise SystemFault("the container's process ended before it was started")


def _poll_readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(10_000))
