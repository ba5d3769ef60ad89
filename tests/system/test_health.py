"""Health checks: what a probe's result makes of a container, and that nothing is left of probes, whatever happens.

The first half runs against dockerd too.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

Json = dict[str, Any]
MS = 1_000_000
FILE = ["CMD-SHELL", "echo looking; cat /alive"]


def start(engine: Engine, name: str, check: Json, *command: str, **body: Any) -> str:
    made = {"Image": "busybox", "Cmd": list(command or ("sleep", "1000")), "Healthcheck": check, **body}
    answer = engine.api("POST", "/containers/create", made, name=name)
    assert answer.status == 201, answer
    identity: str = answer.json()["Id"]
    assert engine.api("POST", f"/containers/{name}/start").status == 204
    return identity


def health(engine: Engine, container: str) -> Json:
    found: Json = engine.inspect(container)["State"]["Health"]
    return found


def becomes(engine: Engine, container: str, status: str) -> Json:
    wait_until(lambda: health(engine, container)["Status"] == status, f"{container} to be {status}")
    return health(engine, container)


def told(engine: Engine, since: float, container: str) -> list[str]:
    words: dict[str, Any] = {"container": [container]}
    body = engine.api("GET", "/events", since=f"{since:.9f}", until=f"{time.time():.9f}", filters=words).body
    return [json.loads(line)["Action"] for line in body.splitlines()]


def listed(engine: Engine, **filters: list[str]) -> list[str]:
    found = engine.api("GET", "/containers/json", all="1", filters=filters).json()
    return [one["Names"][0] for one in found]


def test_a_life(engine: Engine, cli: Program) -> None:
    begun = time.time()
    check = {"Test": FILE, "Interval": 100 * MS, "Retries": 2}
    one = start(engine, "patient", check, "sh", "-c", "touch /alive; exec sleep 1000")
    assert health(engine, "patient")["FailingStreak"] == 0
    found = becomes(engine, "patient", "healthy")
    assert (found["Log"][-1]["ExitCode"], found["Log"][-1]["Output"]) == (0, "looking\n")
    assert "(healthy)" in cli("ps", "--filter", "health=healthy").table()[0]["STATUS"]
    cli("exec", "patient", "rm", "/alive")
    found = becomes(engine, "patient", "unhealthy")
    assert found["FailingStreak"] >= 2 and "No such file" in found["Log"][-1]["Output"]
    wait_until(lambda: len(health(engine, "patient")["Log"]) == 5, "the log to be full")
    assert cli("ps", "--filter", "health=unhealthy", "--format", "{{.Names}}").lines == ["patient"]
    cli("exec", "patient", "touch", "/alive")
    becomes(engine, "patient", "healthy")
    cli("pause", "patient")
    assert health(engine, "patient")["Status"] == "unhealthy"
    assert "(Paused)" in cli("ps").table()[0]["STATUS"]
    cli("unpause", "patient")
    becomes(engine, "patient", "healthy")
    cli("stop", "-t", "0", "patient")
    assert health(engine, "patient")["Status"] == "unhealthy"
    actions = [action for action in told(engine, begun, one) if action.startswith("health")]
    assert actions == ["health_status: healthy", "health_status: unhealthy"] + ["health_status: healthy"] * 2
    first = [action.partition(":")[0] for action in told(engine, begun, one) if action.startswith("exec")][:3]
    assert first == ["exec_create", "exec_start", "exec_die"]
    cli("start", "patient")
    found = health(engine, "patient")
    assert (found["Status"], found["FailingStreak"]) == ("starting", 0) and len(found["Log"]) == 5
    assert "(health: starting)" in cli("ps", "--filter", "health=starting").table()[0]["STATUS"]


def test_probes_that_fail_in_their_own_ways(engine: Engine) -> None:
    quick = {"Interval": 100 * MS, "Retries": 1}
    start(engine, "slow", {"Test": ["CMD", "sh", "-c", "echo hi; sleep 77"], "Timeout": 300 * MS, **quick})
    start(engine, "none", {"Test": ["CMD", "/nothing"], **quick})
    start(engine, "loud", {"Test": ["CMD-SHELL", "yes | head -c 10000; exit 3"], **quick})
    start(engine, "early", {"Test": ["CMD", "false"], "StartPeriod": 60_000 * MS, "StartInterval": 50 * MS})
    start(engine, "perl", {"Test": ["CMD-SHELL", "-c", 'test "$0" = x'], **quick}, Shell=["/bin/sh"])
    last = becomes(engine, "slow", "unhealthy")["Log"][-1]
    assert (last["ExitCode"], last["Output"]) == (-1, "Health check exceeded timeout (300ms): hi\n")
    last = becomes(engine, "none", "unhealthy")["Log"][-1]
    assert last["ExitCode"] == -1 and '"/nothing": stat /nothing: no such file' in last["Output"]
    last = becomes(engine, "loud", "unhealthy")["Log"][-1]
    assert last["ExitCode"] == 3 and len(last["Output"]) == 4099 and last["Output"].endswith("y\n...")
    last = becomes(engine, "perl", "unhealthy")["Log"][-1]
    assert last["ExitCode"] == 1
    wait_until(lambda: len(health(engine, "early")["Log"]) == 5, "probes in the start period")
    found = health(engine, "early")
    assert (found["Status"], found["FailingStreak"]) == ("starting", 0)


def test_none_and_filters(engine: Engine, cli: Program) -> None:
    start(engine, "off", {"Test": ["NONE"]})
    assert "Health" not in engine.inspect("off")["State"] and listed(engine, health=["none"]) == ["/off"]
    wrong = cli("ps", "--filter", "health=fine", code=1).err
    assert "invalid value for health (fine): must be one of none, starting, healthy, unhealthy" in wrong


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ({"Interval": 1}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Timeout": -1}, "Timeout in Healthcheck cannot be less than 1ms"),
        ({"StartPeriod": 10}, "StartPeriod in Healthcheck cannot be less than 1ms"),
        ({"StartInterval": 999_999}, "StartInterval in Healthcheck cannot be less than 1ms"),
        ({"Retries": -1}, "Retries in Healthcheck cannot be negative"),
    ],
)
def test_refused_at_create(engine: Engine, check: Json, text: str) -> None:
    answer = engine.api("POST", "/containers/create", {"Image": "busybox", "Healthcheck": {"Test": ["NONE"], **check}})
    assert (answer.status, answer.json()["message"]) == (400, text)


def test_a_probe_does_not_hold_up_an_end(engine: Engine) -> None:
    start(engine, "held", {"Test": ["CMD", "sleep", "777"], "Interval": 50 * MS, "Timeout": 3_600_000 * MS})
    wait_until(lambda: "sleep 777" in str(engine.api("GET", "/containers/held/top").json()), "the probe to run")
    assert engine.api("POST", "/containers/held/stop", t="0").status == 204


def test_an_unhealthy_container_is_restarted_where_it_asks_for_that(havred: Havred) -> None:
    labels = {"havre.restart-on-unhealthy": "true"}
    check = {"Test": FILE, "Interval": 50 * MS, "Retries": 1}
    one = start(havred, "phoenix", check, "sh", "-c", "touch /alive; exec sleep 1000", Labels=labels, StopTimeout=0)
    becomes(havred, "phoenix", "healthy")
    begun, pid = time.time(), havred.inspect("phoenix")["State"]["Pid"]
    made = havred.api("POST", "/containers/phoenix/exec", {"Cmd": ["rm", "/alive"]}).json()["Id"]
    assert havred.api("POST", f"/exec/{made}/start", {"Detach": True}).status == 200
    wait_until(lambda: "restart" in told(havred, begun, one), "the restart", lambda: havred.tail(), patience=40)
    assert havred.inspect("phoenix")["State"]["Pid"] != pid
    becomes(havred, "phoenix", "healthy")


def execs(daemon: Havred, container: str) -> set[str]:
    return {path.name for path in (daemon.exec_root / "containers" / container / "exec").glob("*")}


def probes(container: str) -> list[str]:
    """The probes' processes: only they run ``sleep 77`` in that container."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[:2] == [b"sleep", b"77"] and container in (folder / "cgroup").read_text():
                found.append(folder.name)
        except OSError:
            continue
    return found


def test_a_killed_daemon_leaves_no_probe(fresh_havred: Havred) -> None:
    check = {"Test": ["CMD", "sleep", "77"], "Interval": 50 * MS, "Timeout": 3_600_000 * MS}
    one = start(fresh_havred, "orphan", check)
    wait_until(lambda: probes(one), "a probe")
    before = probes(one), execs(fresh_havred, one)
    fresh_havred.kill()
    fresh_havred.start()
    assert health(fresh_havred, "orphan") == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert not set(before[0]) & set(probes(one)) and not before[1] & execs(fresh_havred, one)
    wait_until(lambda: probes(one), "the next probe")


def test_many_probes_leave_nothing(fresh_havred: Havred) -> None:
    assert fresh_havred.process is not None
    descriptors = Path(f"/proc/{fresh_havred.process.pid}/fd")
    one = start(fresh_havred, "busy", {"Test": ["CMD", "false"], "Interval": 1 * MS, "Retries": 1_000})
    wait_until(lambda: health(fresh_havred, "busy")["FailingStreak"] > 20, "probes")
    early = len(list(descriptors.iterdir()))
    wait_until(lambda: health(fresh_havred, "busy")["FailingStreak"] > 80, "more probes")
    assert len(list(descriptors.iterdir())) < early + 15
    assert len(execs(fresh_havred, one)) < 5
    assert fresh_havred.api("POST", "/containers/busy/pause").status == 204
    assert fresh_havred.inspect("busy")["State"]["Health"]["Status"] == "unhealthy"
