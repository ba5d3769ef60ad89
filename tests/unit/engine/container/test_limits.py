"""Limits on a kernel that has them all, and on one that has none: what is refused, what is discarded, what is said."""

from dataclasses import fields, replace
from typing import Any

import pytest

from havre.engine.container import limits, limits_cpuset
from havre.errors import InvalidParameter
from havre.kernel.cgrouplimits import Support
from havre.wire.containers import HostConfig, ThrottleDevice, Ulimit, WeightDevice

SWITCHES: dict[str, Any] = {field.name: True for field in fields(Support) if field.name not in ("cpus", "mems")}
ALL = Support(cpus="0-3", mems="0", **SWITCHES)
NONE = Support()
M, G = 1 << 20, 1 << 30
DISK = [ThrottleDevice(path="/dev/x", rate=1)]


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({"memory": -1}, "Minimum memory limit allowed is 6MB"),
        ({"memory_swap": G}, "You should always set the Memory limit when using Memoryswap limit, see usage"),
        ({"memory": G, "memory_swap": M}, "Minimum memoryswap limit should be larger than memory limit, see usage"),
        ({"memory_reservation": 1}, "Minimum memory reservation allowed is 6MB"),
        (
            {"memory": 8 * M, "memory_reservation": 9 * M},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"memory_swappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        ({"nano_cpus": 1, "cpu_quota": 1}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ({"nano_cpus": 1, "cpu_period": 1}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        ({"cpu_period": 1}, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
        ({"cpu_quota": 1}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"cpu_shares": -1}, "invalid CPU shares (-1): value must be a positive integer"),
        ({"cpu_shares": 1}, "the minimum allowed cpu-shares is 2"),
        ({"cpu_shares": 10**6}, "the maximum allowed cpu-shares is 262144"),
        ({"cpuset_cpus": "4"}, "Requested CPUs are not available - requested 4, available: 0-3"),
        ({"cpuset_mems": "0-1"}, "Requested memory nodes are not available - requested 0-1, available: 0"),
        ({"cpuset_cpus": "one"}, "Invalid value one for cpuset cpus: invalid format: one"),
        ({"cpuset_mems": "1-0"}, "Invalid value 1-0 for cpuset mems: invalid format: 1-0"),
        ({"cpuset_cpus": "0-99999"}, "Invalid value 0-99999 for cpuset cpus: value of out range, maximum is 8192"),
        ({"blkio_weight": 9}, "Range of blkio weight is from 10 to 1000"),
        ({"io_maximum_iops": 1}, "invalid option: QoS maximum IOPs configuration is not supported on linux"),
        ({"io_maximum_bandwidth": 1}, "invalid option: QoS maximum bandwidth configuration is not supported on linux"),
        (
            {"cpu_realtime_period": 100, "cpu_realtime_runtime": 200},
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ),
    ],
)
def test_what_no_kernel_takes(host: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        limits.settle(HostConfig(**host), ALL)
    assert caught.value.message == text


@pytest.mark.parametrize(
    "host",
    [
        {"nano_cpus": -1},
        {"nano_cpus": 10**7 - 1},
        {"nano_cpus": 10**18},
        {"blkio_weight": -1},
        {"blkio_weight": 1 << 16},
        {"blkio_device_read_bps": [ThrottleDevice(path="/dev/x", rate=-1)]},
        {"blkio_weight_device": [WeightDevice(path="/dev/x", weight=1)]},
        {"pids_limit": 10**12},
        {"cpuset_cpus": "0,,1"},
        {"cpuset_cpus": "0\n"},
        {"cpuset_cpus": "0-" + "9" * 5000},
        {"cpuset_cpus": "\u0661"},
    ],
)
def test_what_does_not_fit(host: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        limits.settle(HostConfig(**host), ALL)


@pytest.mark.parametrize(
    "host",
    [
        {"memory": G, "memory_swap": -1, "memory_reservation": 6 * M, "memory_swappiness": 0},
        {"nano_cpus": 10**7},
        {"nano_cpus": 10**9, "cpu_quota": -1},
        {"cpuset_cpus": "0-1,3", "cpuset_mems": "0"},
        {"cpu_quota": -1, "cpu_period": 1000, "cpu_shares": 2},
        {"cpu_realtime_period": 1000000, "cpu_realtime_runtime": 950000},
        {"blkio_weight": 10, "blkio_device_write_iops": DISK},
        {"pids_limit": -1},
        {"cpu_count": 5},
    ],
)
def test_what_is_taken_as_it_is(host: dict[str, Any]) -> None:
    asked = HostConfig(**host)
    assert limits.settle(asked, ALL) == (asked, [])


def lacks(what: str, discarded: str) -> str:
    return f"Your kernel does not support {what} or the cgroup is not mounted. {discarded} discarded."


@pytest.mark.parametrize(
    ("host", "left", "warning"),
    [
        ({"memory": G}, {"memory_swap": -1}, lacks("memory limit capabilities", "Limitation")),
        ({"memory_reservation": G}, {}, lacks("memory soft limit capabilities", "Limitation")),
        ({"memory_swappiness": 5}, {}, lacks("memory swappiness capabilities", "Memory swappiness")),
        ({"oom_kill_disable": True}, {}, "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
        ({"pids_limit": 5}, {}, lacks("PIDs limit capabilities", "PIDs limit")),
        ({"cpu_shares": 5}, {}, lacks("CPU shares", "Shares")),
        ({"cpu_quota": 5000}, {}, "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."),
        ({"cpu_percent": 5}, {}, "linux does not support CPU percent. Percent discarded."),
        ({"cpuset_cpus": "9"}, {}, lacks("cpuset", "Cpuset")),
        ({"blkio_weight": 5}, {}, lacks("Block I/O weight", "Weight")),
        (
            {"blkio_weight_device": [WeightDevice(path="/dev/x", weight=1)]},
            {"blkio_weight_device": []},
            lacks("Block I/O weight_device", "Weight-device"),
        ),
        (
            {"blkio_device_read_bps": DISK},
            {"blkio_device_read_bps": []},
            lacks("BPS Block I/O read limit", "Block I/O BPS read limit"),
        ),
        (
            {"blkio_device_write_iops": DISK},
            {"blkio_device_write_iops": []},
            lacks("IOPS Block write limit", "Block I/O IOPS write limit"),
        ),
    ],
)
def test_what_the_kernel_lacks_is_discarded_with_dockers_words(
    host: dict[str, Any], left: dict[str, Any], warning: str
) -> None:
    assert limits.settle(HostConfig(**host), NONE) == (HostConfig(**left), [warning])


def test_a_kernel_without_accounting_of_swap() -> None:
    kernel = replace(ALL, swap=False)
    settled, warnings = limits.settle(HostConfig(memory=G, memory_swap=2 * G), kernel)
    assert (settled.memory, settled.memory_swap) == (G, -1)
    assert warnings == [
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap."
    ]


def test_some_limits_cannot_be_discarded() -> None:
    with pytest.raises(InvalidParameter, match="NanoCPUs can not be set"):
        limits.settle(HostConfig(nano_cpus=1), NONE)
    with pytest.raises(InvalidParameter, match="kernel does not support CPU real-time scheduler"):
        limits.settle(HostConfig(cpu_realtime_period=1), NONE)


def test_endless_memory_that_nobody_frees_is_warned_of() -> None:
    host = HostConfig(oom_kill_disable=True)
    assert len(limits.settle(host, ALL)[1]) == 1
    assert limits.settle(HostConfig(oom_kill_disable=True, memory=G, memory_swap=G), ALL)[1] == []


def test_swap_alone_can_be_updated() -> None:
    assert limits.settle(HostConfig(memory_swap=G), ALL, update=True)[1] == []


@pytest.mark.parametrize(
    "limit",
    [Ulimit(name="nonsense"), Ulimit(name="nofile", soft=2, hard=1), Ulimit(name="nofile", soft=-1, hard=1)],
)
def test_ulimits_that_cannot_be(limit: Ulimit) -> None:
    with pytest.raises(InvalidParameter):
        limits.check_ulimit(limit)


def test_ulimits_that_can() -> None:
    limits.check_ulimit(Ulimit(name="core", soft=-1, hard=-1))
    limits.check_ulimit(Ulimit(name="NOFILE", soft=5, hard=-1))


def test_sets_are_read() -> None:
    assert limits_cpuset.parse("0-2,5,7-7") == {0, 1, 2, 5, 7}
    assert limits_cpuset.parse("") == frozenset()
