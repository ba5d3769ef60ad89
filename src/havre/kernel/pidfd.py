"""Processes by pidfd: wait for the end of one that is not our child, and signal it without hitting a reused number."""

import os
import select
import signal

from havre.errors import NotFound
from havre.kernel.descriptors import readable


def start_time(pid: int) -> int | None:
    """The start of process ``pid`` in clock ticks since boot, or None when there is none: with the pid, a name for
    good.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold spaces and parentheses: fields are counted from its closing one (proc(5)).
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def open_checked(pid: int, started: int) -> int:
    """A pidfd of ``pid`` if it is still the process that started at ``started``; else ``NotFound``."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise NotFound(f"process {pid} has ended") from None
    if start_time(pid) != started:
        os.close(fd)
        raise NotFound(f"process {pid} has ended")
    return fd


def send(fd: int, number: int) -> None:
    """Send signal ``number`` through a pidfd; ``NotFound`` when the process has ended."""
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        raise NotFound("the process has ended") from None


def ended(fd: int) -> bool:
    """Whether the process behind the pidfd has ended."""
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    return bool(ready.poll(0))


async def wait(fd: int) -> None:
    """Return when the process behind the pidfd has ended (it need not be a child). The descriptor stays open."""
    await readable(fd)
