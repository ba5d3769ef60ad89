"""What a control group has used, read of recorded groups of both shapes."""

from pathlib import Path

import pytest

from havre.errors import NotFound
from havre.kernel import cgroupstats
from havre.kernel.cgroups import Cgroups
from havre.kernel.cgroupstats import BlockEntry, Pids, ReadFile

RECORDED = Path(__file__).parents[2] / "golden" / "cgroups"


def recorded(name: str) -> dict[str, str]:
    """The files of a recorded group."""
    parts = (RECORDED / name).read_text().split("== ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def reader(files: dict[str, str]) -> ReadFile:
    return lambda name: files.get(name, "")


def test_v1() -> None:
    usage = cgroupstats.parse_v1(reader(recorded("v1.txt")))
    assert usage.cpu is not None and usage.memory is not None
    assert (usage.cpu.total, usage.cpu.per_processor) == (300580008, (298040485, 2539523))
    assert (usage.cpu.user, usage.cpu.kernel) == (250_000_000, 40_000_000)
    assert (usage.cpu.periods, usage.cpu.throttled_periods, usage.cpu.throttled) == (16, 2, 14368616)
    memory = usage.memory
    assert (memory.usage, memory.peak, memory.limit, memory.failures) == (311296, 67108864, 67108864, 78)
    assert memory.stats["total_rss"] == 53248 and "total_shmem" not in memory.stats and len(memory.stats) == 32
    assert usage.pids == Pids(1, 50)
    assert [entry.operation for entry in usage.block["service_bytes"]] == [
        "Read",
        "Write",
        "Sync",
        "Async",
        "Discard",
        "Total",
    ]
    assert usage.block["serviced"][0] == BlockEntry(254, 0, "Read", 40)
    assert usage.block["sectors"] == []


@pytest.mark.parametrize("prefix", ["blkio.", "blkio.bfq."])
def test_v1_schedulers_count_more_than_limits_do(prefix: str) -> None:
    files = recorded("v1.txt") | {
        f"{prefix}io_serviced_recursive": "8:0 Read 3\n8:0 Total 3\nTotal 3\n",
        f"{prefix}io_service_bytes_recursive": "8:0 Read 4096\nTotal 4096\n",
        f"{prefix}io_queued_recursive": "8:0 Read 1\nTotal 1\n",
        f"{prefix}time_recursive": "8:0 77\n",
        f"{prefix}sectors_recursive": "8:0 8\n",
    }
    block = cgroupstats.parse_v1(reader(files)).block
    assert block["service_bytes"] == [BlockEntry(8, 0, "Read", 4096)]
    assert block["queued"] == [BlockEntry(8, 0, "Read", 1)]
    assert (block["time"], block["sectors"]) == ([BlockEntry(8, 0, "", 77)], [BlockEntry(8, 0, "", 8)])
    assert [entry.value for entry in block["serviced"]] == [3, 3]


def test_v1_without_limits() -> None:
    files = recorded("v1.txt") | {"memory.limit_in_bytes": "9223372036854771712\n", "pids.max": "max\n"}
    usage = cgroupstats.parse_v1(reader(files))
    assert usage.memory is not None and usage.memory.limit == 9223372036854771712
    assert usage.pids == Pids(1, None)


def test_v2() -> None:
    usage = cgroupstats.parse_v2(reader(recorded("v2.txt")))
    assert usage.cpu is not None and usage.memory is not None
    assert (usage.cpu.total, usage.cpu.per_processor) == (3_158_720_000, None)
    assert (usage.cpu.user, usage.cpu.kernel) == (2_211_411_000, 947_308_000)
    assert (usage.cpu.periods, usage.cpu.throttled_periods, usage.cpu.throttled) == (41, 7, 514_402_000)
    memory = usage.memory
    assert (memory.usage, memory.peak, memory.limit, memory.failures) == (52428800, None, None, 3)
    assert memory.stats["inactive_file"] == 21749760 and len(memory.stats) == 31
    assert (memory.stats["workingset_refault"], memory.stats["workingset_activate"]) == (2320, 218)
    assert usage.pids == Pids(4, None)
    assert usage.block == {
        "service_bytes": [
            BlockEntry(254, 0, "read", 39706624),
            BlockEntry(254, 0, "write", 1069056),
            BlockEntry(8, 16, "read", 4096),
            BlockEntry(8, 16, "write", 0),
        ]
    }


def test_v2_of_an_old_kernel_with_limits() -> None:
    files = recorded("v2.txt") | {
        "memory.max": "67108864\n",
        "pids.max": "9\n",
        "memory.stat": "anon 4096\nworkingset_refault 7\n",
        "cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\n",
    }
    usage = cgroupstats.parse_v2(reader(files))
    assert usage.memory is not None and usage.memory.limit == 67108864
    assert usage.memory.stats["workingset_refault"] == 7
    assert usage.pids == Pids(4, 9)
    assert usage.cpu is not None and (usage.cpu.total, usage.cpu.periods) == (5000, 0)


@pytest.mark.parametrize("parse", [cgroupstats.parse_v1, cgroupstats.parse_v2])
def test_controllers_that_are_missing(parse: type) -> None:
    usage = parse(reader({}))
    assert (usage.cpu, usage.memory, usage.pids) == (None, None, None)
    assert not any(usage.block.values())


def v1_tree(root: Path) -> Cgroups:
    return Cgroups(1, {name: root / name for name in ("cpu", "cpuacct", "memory", "pids", "blkio", "freezer")})


@pytest.mark.parametrize("version", [1, 2])
def test_read(tmp_path: Path, version: int) -> None:
    cgroups = v1_tree(tmp_path) if version == 1 else Cgroups(2, {"": tmp_path}, tmp_path)
    with pytest.raises(NotFound, match="cgroup /havre/x does not exist"):
        cgroupstats.read(cgroups, "/havre/x")
    for name, text in recorded(f"v{version}.txt").items():
        path = cgroups.directory("/havre/x", name.partition(".")[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    parse = cgroupstats.parse_v1 if version == 1 else cgroupstats.parse_v2
    assert cgroupstats.read(cgroups, "/havre/x") == parse(reader(recorded(f"v{version}.txt")))


def test_read_where_a_controller_is_missing(tmp_path: Path) -> None:
    (tmp_path / "memory" / "x").mkdir(parents=True)
    (tmp_path / "memory" / "x" / "memory.usage_in_bytes").write_text("5\n")
    usage = cgroupstats.read(Cgroups(1, {"memory": tmp_path / "memory"}), "/x")
    assert usage.memory is not None and usage.memory.usage == 5
    assert usage.cpu is None
