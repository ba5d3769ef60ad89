"""What the host is, as ``GET /info`` tells it: kernel, distribution, processors, memory."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from havre.kernel import mounts

# The unit of /proc/stat: 1/USER_HZ of a second.
TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds in the unit of the kernel's processor times."""


@dataclass(frozen=True, slots=True)
class Host:
    """What does not change while the daemon runs. ``memory`` is bytes of RAM."""

    name: str
    kernel: str
    architecture: str
    system: str
    system_version: str
    processors: int
    memory: int


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """``total`` is the nanoseconds that all processors were busy or idle since boot; ``online`` how many there are."""

    total: int
    online: int


def host() -> Host:
    """Read the host's own files; what cannot be read is empty or 0."""
    release = _os_release()
    machine = os.uname()
    return Host(
        name=socket.gethostname(),
        kernel=machine.release,
        architecture=machine.machine,
        system=release.get("PRETTY_NAME") or release.get("NAME") or "Linux",
        system_version=release.get("VERSION_ID", ""),
        processors=len(os.sched_getaffinity(0)),
        memory=_memory_total(),
    )


def processor_time(text: str | None = None) -> ProcessorTime:
    """From ``/proc/stat`` (or the text given)."""
    lines = (text if text is not None else _read("/proc/stat")).split("\n")
    online = 0
    for line in lines[1:]:
        if not line.startswith("cpu"):
            break
        online += 1
    # user nice system idle iowait irq softirq: what a hypervisor steals is no time of ours, and guests' is in user.
    ticks = sum(map(int, lines[0].split()[1:8]))
    return ProcessorTime(ticks * TICK, online)


def forwards_ipv4() -> bool:
    """Whether the kernel routes between interfaces now."""
    return _read("/proc/sys/net/ipv4/ip_forward").strip() == "1"


def has_seccomp() -> bool:
    """Whether the kernel can filter system calls."""
    return "\nSeccomp:" in _read("/proc/self/status")


def has_cgroup_namespaces() -> bool:
    return os.path.exists("/proc/self/ns/cgroup")


def open_files() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd")) - 1


def file_system(path: Path) -> str:
    """The type of the file system that ``path`` is on, as the table of mounts calls it; empty if that does not say."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    return next((entry.fstype for entry in reversed(mounts.mountinfo()) if entry.device == number), "")


def _os_release() -> dict[str, str]:
    text = _read("/etc/os-release") or _read("/usr/lib/os-release")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): _unquoted(value.strip()) for key, _, value in pairs}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _memory_total() -> int:
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
