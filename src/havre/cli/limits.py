"""The limits that ``run``, ``create`` and ``build`` set and ``update`` changes: one table of flags and API fields."""

from __future__ import annotations

from havre.cli.parser import convert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from havre.cli.parser import Args, Parser

# Flag, shorthand, kind, help, the API's field.
_ROWS = (
    (
        *("blkio-weight", "", "uint16"),
        *("Block IO (relative weight), between 10 and 1000, or 0 to disable", "BlkioWeight"),
    ),
    ("cpu-period", "", "int", "Limit CPU CFS (Completely Fair Scheduler) period", "CpuPeriod"),
    ("cpu-quota", "", "int", "Limit CPU CFS (Completely Fair Scheduler) quota", "CpuQuota"),
    ("cpu-rt-period", "", "int", "Limit CPU real-time period in microseconds", "CpuRealtimePeriod"),
    ("cpu-rt-runtime", "", "int", "Limit CPU real-time runtime in microseconds", "CpuRealtimeRuntime"),
    ("cpu-shares", "c", "int", "CPU shares (relative weight)", "CpuShares"),
    ("cpus", "", "decimal", "Number of CPUs", "NanoCpus"),
    ("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)", "CpusetCpus"),
    ("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)", "CpusetMems"),
    ("memory", "m", "bytes", "Memory limit", "Memory"),
    ("memory-reservation", "", "bytes", "Memory soft limit", "MemoryReservation"),
    ("memory-swap", "", "bytes", "Memory plus swap limit: '-1' to enable unlimited swap", "MemorySwap"),
    ("pids-limit", "", "int", "Tune container pids limit (set -1 for unlimited)", "PidsLimit"),
)
ALL = frozenset(long for long, *_ in _ROWS)
OF_BUILDS = frozenset(("cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems", "memory", "memory-swap"))


def declare(parser: Parser, since: dict[str, str], which: Container[str] = ALL) -> None:
    """Declare them; ``since`` has the API versions that some need."""
    for long, short, kind, help, _ in _ROWS:
        if long not in which:
            continue
        swap, weight = long == "memory-swap", long == "blkio-weight"
        parser.flag(
            long,
            short,
            kind,
            help,
            convert=_swap if swap else "",
            shows="0" if weight else "",
            since=since.get(long, ""),
        )


def fields(args: Args, which: Container[str] = ALL) -> dict[str, Any]:
    """The API's fields of what was given; a zero is the same as nothing."""
    values = ((field, getattr(args, long.replace("-", "_"))) for long, *_, field in _ROWS if long in which)
    return {field: value for field, value in values if value}


def _swap(text: str) -> int:
    """A size, or -1 for no limit."""
    return -1 if text == "-1" else int(convert("bytes", text))
