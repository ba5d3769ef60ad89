"""The document that ``GET /containers/{id}/stats`` gives, of what was seen. Pure; the shape is that of API 1.51.

Go leaves out most numbers that are 0, and so do we: clients tell a container that does not run by that.
"""

from dataclasses import asdict, dataclass
from typing import Any

from havre.engine.container.record import Container
from havre.kernel.cgroupstats import BlockEntry, Cpu, Memory, Pids, Usage
from havre.kernel.hostinfo import ProcessorTime
from havre.kernel.netcounters import Counters
from havre.lib import times

Json = dict[str, Any]

_NEVER = times.rfc3339nano(times.ZERO)
_NO_LIMIT = 2**64 - 1
# The API's names of block device counters, and those of ``Usage.block``.
_BLOCK = {
    "io_service_bytes_recursive": "service_bytes",
    "io_serviced_recursive": "serviced",
    "io_queue_recursive": "queued",
    "io_service_time_recursive": "service_time",
    "io_wait_time_recursive": "wait_time",
    "io_merged_recursive": "merged",
    "io_time_recursive": "time",
    "sectors_recursive": "sectors",
}
# The addresses of endpoints are on these; what a container makes for itself would count the same bytes again.
_OURS = "eth"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at ``when`` (nanoseconds since 1970)."""

    when: int
    usage: Usage
    processors: ProcessorTime
    networks: dict[str, Counters]


def make(container: Container, sample: Sample | None, memory: int) -> Json:
    """``sample`` is None for a container that does not run; ``memory`` is that of the host."""
    usage = sample.usage if sample else None
    networks = {name: asdict(one) for name, one in (sample.networks if sample else {}).items() if name[:3] == _OURS}
    document = {
        "name": f"/{container.name}",
        "id": container.id,
        "read": times.rfc3339nano(sample.when) if sample else _NEVER,
        "preread": _NEVER,
        "pids_stats": _pids(usage),
        "blkio_stats": _block(usage),
        # These two are of Windows.
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(usage.cpu if usage else None, sample.processors if sample else None),
        "precpu_stats": _cpu(None, None),
        "memory_stats": _memory(usage, memory),
    }
    return {**document, "networks": networks} if networks else document


def with_previous(document: Json, previous: Json | None) -> Json:
    """``document`` with the processor times of the one before it."""
    if previous is None:
        return document
    return {**document, "preread": previous["read"], "precpu_stats": previous["cpu_stats"]}


def running(document: Json) -> bool:
    """Whether there was something to see."""
    return bool(document["read"] != _NEVER)


def compared(document: Json) -> bool:
    """Whether it has the numbers of an earlier one."""
    return bool(document["preread"] != _NEVER)


def _cpu(cpu: Cpu | None, processors: ProcessorTime | None) -> Json:
    cpu = cpu or Cpu(0, 0, 0, 0, 0, 0)
    usage: Json = {"total_usage": cpu.total}
    if cpu.per_processor:
        usage["percpu_usage"] = list(cpu.per_processor)
    usage |= {"usage_in_kernelmode": cpu.kernel, "usage_in_usermode": cpu.user}
    document: Json = {"cpu_usage": usage}
    if processors is not None:
        document |= {"system_cpu_usage": processors.total, "online_cpus": processors.online}
    document["throttling_data"] = {
        "periods": cpu.periods,
        "throttled_periods": cpu.throttled_periods,
        "throttled_time": cpu.throttled,
    }
    return document


def _memory(usage: Usage | None, host: int) -> Json:
    if usage is None or usage.memory is None:
        return {}
    memory: Memory = usage.memory
    limit = host if memory.limit is None else memory.limit
    document = {
        "usage": memory.usage,
        "max_usage": memory.peak or 0,
        "failcnt": memory.failures,
        "limit": min(limit, host) if host else limit,
    }
    return {**{name: value for name, value in document.items() if value}, "stats": memory.stats}


def _pids(usage: Usage | None) -> Json:
    if usage is None or usage.pids is None:
        return {}
    pids: Pids = usage.pids
    # Without a limit Docker says 0 on v1, which is left out, and on v2 the largest number there is.
    limit = (_NO_LIMIT if usage.version == 2 else 0) if pids.limit is None else pids.limit
    return {name: value for name, value in (("current", pids.current), ("limit", limit)) if value}


def _block(usage: Usage | None) -> Json:
    block = usage.block if usage else {}
    # On v1 a counter of nothing is an empty list, what a shape does not count is null; v2 has no empty list.
    filled = {key: [_entry(one) for one in block[name]] for key, name in _BLOCK.items() if name in block}
    empty: Any = [] if usage is not None and usage.version == 1 else None
    return {key: filled.get(key) or empty for key in _BLOCK}


def _entry(entry: BlockEntry) -> Json:
    return {"major": entry.major, "minor": entry.minor, "op": entry.operation, "value": entry.value}
