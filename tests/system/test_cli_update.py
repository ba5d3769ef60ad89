"""``docker update``: limits of containers that run, are paused or do not run, wholly or not at all."""

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.system.groups import V2, Groups
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

M = 1 << 20
SLEEP = ("busybox", "sleep", "1000")


def host(engine: Engine, name: str = "held") -> dict[str, Any]:
    found: dict[str, Any] = engine.inspect(name)["HostConfig"]
    return found


def state(engine: Engine) -> tuple[Any, ...]:
    """Everything an update may change, in the record and in the kernel."""
    groups = Groups(engine, "held")
    kernel = (groups.memory(), groups.memory_and_swap(), groups.reservation(), groups.quota(), groups.shares())
    return host(engine), *kernel, groups.cpus(), groups.pids()


def test_a_running_container(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "held", "-m", "64m", *SLEEP)
    done = docker(
        *("update", "--memory", "100m", "--memory-swap", "200m", "--memory-reservation", "50m", "--cpu-shares", "300"),
        *("--cpu-period", "50000", "--cpu-quota", "20000", "--cpuset-cpus", "0", "--pids-limit", "77", "held"),
    )
    assert done.out == "held\n"
    groups = Groups(engine, "held")
    assert (groups.memory(), groups.memory_and_swap(), groups.reservation()) == (100 * M, 200 * M, 50 * M)
    assert (groups.quota(), groups.cpus(), groups.pids()) == (("20000", "50000"), "0", "77")
    assert groups.shares() in ("300", "")
    kept = host(engine)
    assert (kept["Memory"], kept["MemorySwap"], kept["PidsLimit"], kept["CpuQuota"]) == (100 * M, 200 * M, 77, 20000)
    docker("update", "--pids-limit", "-1", "--memory-swap", "-1", "held")
    assert (groups.pids(), groups.memory()) == ("max", 100 * M)
    # dockerd leaves the limit of a running container where it was.
    assert not isinstance(engine, Havred) or groups.memory_and_swap() is None


def test_a_paused_container_and_part_of_the_cpus(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "held", *SLEEP)
    docker("pause", "held")
    docker("update", "--cpus", "0.5", "held")
    assert Groups(engine, "held").quota() == ("50000", "100000")
    assert engine.inspect("held")["State"]["Status"] == "paused"
    docker("unpause", "held")
    docker("update", "--cpus", "1", "held")
    assert Groups(engine, "held").quota() == ("100000", "100000")


def test_a_container_that_does_not_run_has_the_limits_when_it_does(docker: Program, engine: Engine) -> None:
    docker("create", "--name", "held", *SLEEP)
    docker("update", "-m", "64m", "--memory-swap", "64m", "--pids-limit", "9", "held")
    assert (host(engine)["Memory"], host(engine)["PidsLimit"]) == (64 * M, 9)
    docker("start", "held")
    groups = Groups(engine, "held")
    assert (groups.memory(), groups.memory_and_swap(), groups.pids()) == (64 * M, 64 * M, "9")


@pytest.mark.parametrize(
    ("has", "asked", "text"),
    [
        (["-m", "64m"], ["-m", "200m"], "Memory limit should be smaller than already set memoryswap limit, update the"),
        (["--cpus", "1"], ["--cpu-quota", "5000"], "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (["--cpu-period", "5000"], ["--cpus", "1"], "Nano CPUs cannot be updated as CPU Period has already been set"),
        ([], ["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        ([], ["--cpuset-cpus", "4000"], "Requested CPUs are not available"),
        ([], ["--restart", "sometimes"], "invalid restart policy"),
        (["--rm"], ["--restart", "always"], "Restart policy cannot be updated because AutoRemove is enabled"),
    ],
)  # fmt: skip
def test_a_refused_update_changes_nothing(
    docker: Program, engine: Engine, has: list[str], asked: list[str], text: str
) -> None:
    docker("run", "-d", "--name", "held", *has, *SLEEP)
    before = state(engine)
    done = docker("update", "--cpu-shares", "99", *asked, "held", code=1)
    assert text in done.err
    assert state(engine) == before


@pytest.mark.skipif(V2, reason="v1 refuses less memory than is in use, v2 reclaims it")
def test_an_update_the_kernel_refuses_changes_nothing(havred: Engine, docker: Program) -> None:
    docker("run", "-d", "--name", "held", "-m", "200m", "--tmpfs", "/fill:size=64m", *SLEEP)
    docker("exec", "held", "dd", "if=/dev/zero", "of=/fill/x", "bs=1M", "count=30")
    before = state(havred)
    # Shares and CPUs come before memory, which cannot be had for this little.
    body = {"CpuShares": 99, "CpusetCpus": "0", "Memory": 8 * M, "MemorySwap": 8 * M, "PidsLimit": 5}
    answer = havred.api("POST", "/containers/held/update", body)
    assert (answer.status, answer.json()["message"].startswith("Cannot update container ")) == (500, True), answer
    assert state(havred) == before


def test_a_new_restart_policy_counts_at_the_next_end(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "held", *SLEEP)
    docker("update", "--restart", "on-failure:3", "held")
    assert host(engine)["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    os.kill(engine.inspect("held")["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: engine.inspect("held")["RestartCount"] == 1, "the container to be restarted")


def test_warnings_and_events(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "held", *SLEEP)
    answer = engine.api("POST", "/containers/held/update", {"CpuPercent": 5, "OomScoreAdj": 9, "Unknown": [1]})
    assert answer.json() == {"Warnings": ["linux does not support CPU percent. Percent discarded."]}
    assert engine.api("POST", "/containers/held/update", {}).json() == {"Warnings": None}
    assert host(engine)["OomScoreAdj"] == 0
    wanted = {"container": [engine.inspect("held")["Id"]], "event": ["update"]}
    lines = engine.api("GET", "/events", since="1", until=str(int(time.time()) + 1), filters=wanted)
    assert [json.loads(line)["Action"] for line in lines.body.splitlines()] == ["update", "update"]


def test_a_container_that_is_not_there(docker: Program) -> None:
    done = docker("update", "--cpu-shares", "99", "nobody", code=1)
    assert "No such container: nobody" in done.err
