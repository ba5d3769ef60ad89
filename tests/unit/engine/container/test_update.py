"""What an update makes of a container's limits, and what it refuses."""

from typing import Any

import pytest

from havre.engine.container.update import merged
from havre.errors import Conflict
from havre.runtime import resources
from havre.wire.containers import HostConfig, RestartPolicy

M = 1 << 20


@pytest.mark.parametrize(
    ("has", "asked", "changes"),
    [
        ({"memory": 64 * M, "memory_swap": 128 * M}, {"memory": 100 * M}, {"memory": 100 * M}),
        ({}, {"memory": 64 * M, "memory_swap": -1}, {"memory": 64 * M, "memory_swap": -1}),
        ({"memory_swap": -1, "memory": 9 * M}, {"memory": 64 * M}, {"memory": 64 * M}),
        ({"cpu_shares": 5}, {"cpu_shares": 7, "cpuset_cpus": "0"}, {"cpu_shares": 7, "cpuset_cpus": "0"}),
        ({"nano_cpus": 10**9}, {"nano_cpus": 5}, {"nano_cpus": 5}),
        ({"cpu_quota": -1}, {"nano_cpus": 5}, {"nano_cpus": 5, "cpu_quota": 0}),
        ({"pids_limit": 5}, {"pids_limit": -1}, {"pids_limit": 0}),
        ({"pids_limit": 5}, {}, {}),
        ({}, {"restart_policy": RestartPolicy(name="always")}, {"restart_policy": RestartPolicy(name="always")}),
        (
            {"auto_remove": True},
            {"restart_policy": RestartPolicy(name="no")},
            {"restart_policy": RestartPolicy(name="no")},
        ),
        ({}, {"privileged": True, "shm_size": 5, "oom_score_adj": 9}, {}),
    ],
)
def test_what_changes(has: dict[str, Any], asked: dict[str, Any], changes: dict[str, Any]) -> None:
    assert merged(HostConfig(**has), HostConfig(**asked)) == HostConfig(**{**has, **changes})


@pytest.mark.parametrize(
    ("has", "asked", "text"),
    [
        (
            {"memory": 64 * M, "memory_swap": 128 * M},
            {"memory": 200 * M},
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            {},
            {"memory": 64 * M},
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            {"memory": 64 * M, "memory_swap": 128 * M},
            {"memory_swap": 32 * M},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {},
            {"memory_swap": 32 * M},
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            {"nano_cpus": 1},
            {"cpu_quota": 5000},
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            {"nano_cpus": 1},
            {"cpu_period": 5000},
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            {"cpu_quota": 5000},
            {"nano_cpus": 1},
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            {"cpu_period": 5000},
            {"nano_cpus": 1},
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            {"auto_remove": True},
            {"restart_policy": RestartPolicy(name="always")},
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ],
)
def test_what_cannot_go_together(has: dict[str, Any], asked: dict[str, Any], text: str) -> None:
    with pytest.raises(Conflict) as caught:
        merged(HostConfig(**has), HostConfig(**asked))
    assert caught.value.message == text


def test_the_runtime_is_told_only_what_is_touched() -> None:
    host = HostConfig(memory=64 * M, memory_swap=-1, cpu_shares=7, pids_limit=5)
    assert resources.changed(host, HostConfig(cpu_shares=7)) == {"cpu": {"shares": 7}}
    assert resources.changed(host, HostConfig(memory=64 * M)) == {"memory": {"limit": 64 * M, "swap": -1}}
    assert resources.changed(host, HostConfig(pids_limit=0)) == {"pids": {"limit": -1}}
    assert resources.changed(host, HostConfig()) == {}
