"""What a control group has used so far, from the files of either shape. The engine's ``stats`` comes in here.

``read`` looks at the host; ``parse_v1`` and ``parse_v2`` only at the texts that ``read_file(name)`` gives them, ``""``
for a file that is not there. All times are nanoseconds, all sizes bytes. The two shapes count different things: what a
shape does not have is None.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from havre.errors import NotFound
from havre.kernel.cgroups import Cgroups
from havre.kernel.hostinfo import TICK

ReadFile = Callable[[str], str]

# The unit of cpuacct.stat: 1/USER_HZ of a second.
_BLOCK = 1 << 16

_V1_MEMORY = (
    "cache",
    "rss",
    "rss_huge",
    "mapped_file",
    "dirty",
    "writeback",
    "pgpgin",
    "pgpgout",
    "pgfault",
    "pgmajfault",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
)
# The names that clients know, in the order in which Docker's JSON has them.
V1_MEMORY = tuple(
    sorted(("hierarchical_memory_limit", "hierarchical_memsw_limit", *_V1_MEMORY, *(f"total_{n}" for n in _V1_MEMORY)))
)
V2_MEMORY = (
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
)
# Counters of block devices on v1: by the names they have behind "blkio." and "_recursive", with ours.
_V1_BLOCK = {
    "io_service_bytes": "service_bytes",
    "io_serviced": "serviced",
    "io_queued": "queued",
    "io_service_time": "service_time",
    "io_wait_time": "wait_time",
    "io_merged": "merged",
    "time": "time",
    "sectors": "sectors",
}


@dataclass(frozen=True, slots=True)
class Cpu:
    """Time on processors; ``per_processor`` only on v1."""

    total: int
    kernel: int
    user: int
    periods: int
    throttled_periods: int
    throttled: int
    per_processor: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """``limit`` is None where there is none; ``stats`` is the kernel's breakdown, other names on v1 than on v2."""

    usage: int
    limit: int | None
    failures: int
    stats: dict[str, int]
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Pids:
    """How many processes and threads; ``limit`` is None where there is none."""

    current: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One counter of one block device. ``operation`` is written as the kernel does on v1, small on v2."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class Usage:
    """All of it; None for a controller that the kernel does not have. ``block`` holds the counters the shape has."""

    version: int
    cpu: Cpu | None
    memory: Memory | None
    pids: Pids | None
    block: dict[str, list[BlockEntry]]


def read(cgroups: Cgroups, group: str) -> Usage:
    """What ``group`` has used; ``NotFound`` when it does not exist (any more)."""
    path = group.lstrip("/")
    if cgroups.version == 2:
        directory = cgroups.trees[""] / path
        if not directory.is_dir():
            raise NotFound(f"cgroup {group} does not exist")
        return parse_v2(lambda name: _text(f"{directory}/{name}"))
    directories = {name: f"{root}/{path}" for name, root in cgroups.trees.items()}
    if not any(os.path.isdir(directory) for directory in directories.values()):
        raise NotFound(f"cgroup {group} does not exist")

    def read_file(name: str) -> str:
        # The files of a v1 controller begin with its name.
        directory = directories.get(name.partition(".")[0])
        return _text(f"{directory}/{name}") if directory is not None else ""

    return parse_v1(read_file)


def parse_v1(read_file: ReadFile) -> Usage:
    """A tree per controller."""
    return Usage(1, _cpu_v1(read_file), _memory_v1(read_file), _pids(read_file), _block_v1(read_file))


def parse_v2(read_file: ReadFile) -> Usage:
    """One tree."""
    return Usage(2, _cpu_v2(read_file), _memory_v2(read_file), _pids(read_file), _block_v2(read_file))


def _cpu_v1(read_file: ReadFile) -> Cpu | None:
    total = read_file("cpuacct.usage").strip()
    if not total:
        return None
    modes, quota = _table(read_file("cpuacct.stat")), _table(read_file("cpu.stat"))
    return Cpu(
        total=int(total),
        kernel=modes.get("system", 0) * TICK,
        user=modes.get("user", 0) * TICK,
        periods=quota.get("nr_periods", 0),
        throttled_periods=quota.get("nr_throttled", 0),
        throttled=quota.get("throttled_time", 0),
        per_processor=tuple(map(int, read_file("cpuacct.usage_percpu").split())),
    )


def _cpu_v2(read_file: ReadFile) -> Cpu | None:
    # Also there without the controller: then it only lacks the quota's part.
    table = _table(read_file("cpu.stat"))
    if not table:
        return None
    return Cpu(
        total=table.get("usage_usec", 0) * 1000,
        kernel=table.get("system_usec", 0) * 1000,
        user=table.get("user_usec", 0) * 1000,
        periods=table.get("nr_periods", 0),
        throttled_periods=table.get("nr_throttled", 0),
        throttled=table.get("throttled_usec", 0) * 1000,
    )


def _memory_v1(read_file: ReadFile) -> Memory | None:
    usage = read_file("memory.usage_in_bytes").strip()
    if not usage:
        return None
    table = _table(read_file("memory.stat"))
    return Memory(
        usage=int(usage),
        # "No limit" is a huge number here: whoever asks compares with the memory of the host.
        limit=_number(read_file("memory.limit_in_bytes")),
        failures=_number(read_file("memory.failcnt")) or 0,
        stats={name: table.get(name, 0) for name in V1_MEMORY},
        peak=_number(read_file("memory.max_usage_in_bytes")),
    )


def _memory_v2(read_file: ReadFile) -> Memory | None:
    usage = read_file("memory.current").strip()
    if not usage:
        return None
    table = _table(read_file("memory.stat"))
    for name in ("workingset_refault", "workingset_activate"):
        # Linux 5.9 split these.
        table.setdefault(name, table.get(f"{name}_anon", 0) + table.get(f"{name}_file", 0))
    return Memory(
        usage=int(usage),
        limit=_number(read_file("memory.max")),
        failures=_table(read_file("memory.events")).get("oom", 0),
        stats={name: table.get(name, 0) for name in V2_MEMORY},
    )


def _pids(read_file: ReadFile) -> Pids | None:
    current = read_file("pids.current").strip()
    return Pids(int(current), _number(read_file("pids.max"))) if current else None


def _block_v1(read_file: ReadFile) -> dict[str, list[BlockEntry]]:
    found: dict[str, list[BlockEntry]] = {name: [] for name in _V1_BLOCK.values()}
    # The schedulers CFQ (up to Linux 4.20) and BFQ count the most; where neither is in use the limits count.
    for prefix in ("blkio.", "blkio.bfq.", "blkio.throttle."):
        if not (served := _entries_v1(read_file(f"{prefix}io_serviced_recursive"))):
            continue
        for suffix, name in _V1_BLOCK.items():
            text = "" if name == "serviced" else read_file(f"{prefix}{suffix}_recursive")
            found[name] = served if name == "serviced" else _entries_v1(text)
        break
    return found


def _entries_v1(text: str) -> list[BlockEntry]:
    entries = []
    for line in text.splitlines():
        # "8:0 Read 4096", some counters without the operation; at the end "Total 4096", of all devices.
        device, *operation, value = line.split()
        major, colon, minor = device.partition(":")
        if colon:
            entries.append(BlockEntry(int(major), int(minor), "".join(operation), int(value)))
    return entries


def _block_v2(read_file: ReadFile) -> dict[str, list[BlockEntry]]:
    entries = []
    for line in read_file("io.stat").splitlines():
        # "8:0 rbytes=1459200 wbytes=0 rios=192 …"; a device that was never used may have a number and nothing else.
        device, *pairs = line.split()
        major, colon, minor = device.partition(":")
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if colon and values:
            for operation, key in (("read", "rbytes"), ("write", "wbytes")):
                entries.append(BlockEntry(int(major), int(minor), operation, int(values.get(key, 0))))
    return {"service_bytes": entries}


def _table(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    return {name: int(value) for name, _, value in (line.partition(" ") for line in text.splitlines()) if value}


def _number(text: str) -> int | None:
    """A limit or a counter; None for "max" and for nothing."""
    text = text.strip()
    return int(text) if text.isdecimal() else None


def _text(path: str) -> str:
    # A sample reads twenty of these: bare system calls take a third of the time of open().
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts = []
        while block := os.read(fd, _BLOCK):
            parts.append(block)
        return b"".join(parts).decode()
    except OSError:
        # ENODEV: the group was removed since.
        return ""
    finally:
        os.close(fd)
