"""Resource use in lists: what ``havre stats`` makes of the numbers the daemon sends."""

from __future__ import annotations

from havre.cli.format import Listing
from havre.lib.ids import short
from havre.lib.sizes import bytes_size, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Numbers = dict[str, Any]


class Row:
    """One container: the name it was asked by, and its latest numbers (None until some come, or when they stop)."""

    def __init__(self, asked: str, numbers: Numbers | None, trunc: bool) -> None:
        self.asked = asked
        self.numbers = numbers
        self.trunc = trunc

    def id(self) -> str:
        identifier: str = (self.numbers or {}).get("id", "")
        return short(identifier) if self.trunc else identifier

    def name(self) -> str:
        name: str = (self.numbers or {}).get("name", "")
        return name[1:] if len(name) > 1 else "--"

    def cpu(self) -> str:
        return f"{cpu_percent(self.numbers):.2f}%" if self.numbers else "--"

    def memory(self) -> str:
        if not self.numbers:
            return "-- / --"
        return f"{bytes_size(memory_used(self.numbers))} / {bytes_size(_memory(self.numbers).get('limit', 0))}"

    def memory_percent(self) -> str:
        if not self.numbers:
            return "--"
        limit = _memory(self.numbers).get("limit", 0)
        return f"{memory_used(self.numbers) / limit * 100 if limit else 0:.2f}%"

    def network(self) -> str:
        if not self.numbers:
            return "--"
        cards = (self.numbers.get("networks") or {}).values()
        received, sent = (sum(card.get(key, 0) for card in cards) for key in ("rx_bytes", "tx_bytes"))
        return f"{human_size(received, 3)} / {human_size(sent, 3)}"

    def block(self) -> str:
        if not self.numbers:
            return "--"
        entries = (self.numbers.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
        read, written = (
            sum(entry.get("value", 0) for entry in entries if entry.get("op", "")[:1].lower() == kind) for kind in "rw"
        )
        return f"{human_size(read, 3)} / {human_size(written, 3)}"

    def processes(self) -> str:
        return str((self.numbers.get("pids_stats") or {}).get("current", 0)) if self.numbers else "--"


def cpu_percent(numbers: Numbers) -> float:
    """The share of one processor used since the sample before: 200 is two processors in full."""
    now, before = numbers.get("cpu_stats") or {}, numbers.get("precpu_stats") or {}
    used = _total(now) - _total(before)
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    count = now.get("online_cpus") or len((now.get("cpu_usage") or {}).get("percpu_usage") or ())
    return used / passed * count * 100 if used > 0 and passed > 0 else 0.0


def memory_used(numbers: Numbers) -> int:
    """Bytes without the part of the page cache that can be dropped at once."""
    memory = _memory(numbers)
    usage, details = memory.get("usage", 0), memory.get("stats") or {}
    for name in ("total_inactive_file", "inactive_file"):
        if name in details and details[name] < usage:
            return int(usage - details[name])
    return int(usage)


def _total(cpu: Numbers) -> int:
    return int((cpu.get("cpu_usage") or {}).get("total_usage", 0))


def _memory(numbers: Numbers) -> Numbers:
    return numbers.get("memory_stats") or {}


LISTING = Listing(
    "*container.statsContext",
    {
        "Container": ("CONTAINER", lambda row: row.asked),
        "ID": ("CONTAINER ID", Row.id),
        "Name": ("NAME", Row.name),
        "CPUPerc": ("CPU %", Row.cpu),
        "MemUsage": ("MEM USAGE / LIMIT", Row.memory),
        "MemPerc": ("MEM %", Row.memory_percent),
        "NetIO": ("NET I/O", Row.network),
        "BlockIO": ("BLOCK I/O", Row.block),
        "PIDs": ("PIDS", Row.processes),
    },
    ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"),
)
