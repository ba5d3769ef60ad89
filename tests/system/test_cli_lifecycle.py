"""``create start stop kill restart rm rename wait pause update top`` through both clients."""

import json
import time

import pytest

from tests.system.harness import Engine, wait_until
from tests.system.programs import Program

TRAP = "trap 'echo stopping; exit 5' TERM; echo up; while :; do sleep 0.05; done"
NEVER = "0000-00-00T00:00:00Z"


def test_create_start_wait(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "later", "busybox", "sh", "-c", "exit 9")
    state = engine.inspect("later")["State"]
    assert (state["Status"], state["Running"], state["ExitCode"]) == ("created", False, 0)
    assert cli("start", "later").out == "later\n"
    assert cli("wait", "later").out == "9\n"
    assert engine.inspect("later")["State"]["Status"] == "exited"


def test_start_attached(cli: Program) -> None:
    cli("create", "--name", "again", "busybox", "sh", "-c", "echo hello; exit 4")
    done = cli("start", "-a", "again", code=4)
    assert done.out == "hello\n"
    cli("create", "-i", "--name", "fed", "busybox", "cat")
    assert cli("start", "-ai", "fed", stdin="through\n").out == "through\n"


def test_stop_sends_term_then_kill(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "polite", "busybox", "sh", "-c", TRAP)
    wait_until(lambda: "up" in cli("logs", "polite").out, "the trap to be set")
    assert cli("stop", "polite").out == "polite\n"
    assert engine.inspect("polite")["State"]["ExitCode"] == 5
    assert cli("logs", "polite").out == "up\nstopping\n"
    cli("run", "-d", "--name", "deaf", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    cli("stop", "-t", "1", "deaf")
    assert engine.inspect("deaf")["State"]["ExitCode"] == 137


def test_stop_signal(cli: Program, engine: Engine) -> None:
    script = "trap 'exit 6' USR1; echo up; while :; do sleep 0.05; done"
    cli("run", "-d", "--name", "special", "--stop-signal", "USR1", "busybox", "sh", "-c", script)
    wait_until(lambda: "up" in cli("logs", "special").out, "the trap to be set")
    cli("stop", "special")
    assert engine.inspect("special")["State"]["ExitCode"] == 6


def test_stop_of_a_stopped_container_is_fine(cli: Program) -> None:
    cli("create", "--name", "idle", "busybox")
    assert cli("stop", "idle").out == "idle\n"


def test_kill(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "target", "busybox", "sleep", "1000")
    assert cli("kill", "target").out == "target\n"
    wait_until(lambda: not engine.inspect("target")["State"]["Running"], "the container to die")
    assert engine.inspect("target")["State"]["ExitCode"] == 137
    done = cli("kill", "target", code=1)
    assert f"container {engine.inspect('target')['Id']} is not running" in done.err


def test_restart_keeps_the_file_system(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "round", "busybox", "sh", "-c", "echo run >> /count; cat /count; exec sleep 1000")
    wait_until(lambda: cli("logs", "round").out == "run\n", "the first run")
    before = engine.inspect("round")["State"]
    cli("restart", "-t", "0", "round")
    wait_until(lambda: cli("logs", "round").out == "run\nrun\nrun\n", "the second run")
    after = engine.inspect("round")["State"]
    assert after["Running"] and after["Pid"] != before["Pid"] and after["StartedAt"] > before["StartedAt"]


def test_rm(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "busy", "busybox", "sleep", "1000")
    id = engine.inspect("busy")["Id"]
    done = cli("rm", "busy", code=1)
    wanted = 'cannot remove container "busy": container is running: stop the container before removing or force remove'
    assert wanted in done.err
    assert cli("rm", "-f", "busy").out == "busy\n"
    done = cli("rm", id, code=1)
    assert done.err == f"Error response from daemon: No such container: {id}\n"
    assert cli("rm", "-f", id).out == ""


def test_rm_by_prefix(cli: Program, engine: Engine) -> None:
    id = cli("create", "busybox").out.strip()
    assert cli("rm", id[:10]).out == id[:10] + "\n"
    assert engine.containers() == []


def test_rename(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "old", "busybox")
    cli("create", "--name", "other", "busybox")
    cli("rename", "old", "new")
    assert engine.inspect("new")["Name"] == "/new"
    assert "is already in use by container" in cli("rename", "new", "other", code=1).err
    assert "No such container: old" in cli("rename", "old", "x1", code=1).err


def test_pause(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "still", "busybox", "sleep", "1000")
    assert cli("pause", "still").out == "still\n"
    assert engine.inspect("still")["State"]["Status"] == "paused"
    assert "is already paused" in cli("pause", "still", code=1).err
    assert "is paused, unpause the container before exec" in cli("exec", "still", "true", code=1).err
    assert cli("unpause", "still").out == "still\n"
    assert engine.inspect("still")["State"]["Status"] == "running"
    assert "is not paused" in cli("unpause", "still", code=1).err


def test_top(cli: Program) -> None:
    cli("run", "-d", "--name", "few", "busybox", "sh", "-c", "sleep 1000 & exec sleep 2000")
    wait_until(lambda: len(cli("top", "few").lines) == 3, "both processes")
    out = cli("top", "few").out
    assert out.split()[:3] == ["UID", "PID", "PPID"] and "sleep 1000" in out and "sleep 2000" in out


def test_wait_for_several(cli: Program) -> None:
    cli("run", "-d", "--name", "w1", "busybox", "sh", "-c", "exit 1")
    cli("run", "-d", "--name", "w2", "busybox", "sh", "-c", "sleep 0.3; exit 2")
    assert cli("wait", "w1", "w2").out == "1\n2\n"


@pytest.mark.parametrize("condition", ["not-running", "next-exit", "removed"])
def test_wait_conditions(engine: Engine, cli: Program, condition: str) -> None:
    cli("create", "--rm", "--name", "waited", "busybox", "sh", "-c", "sleep 0.2; exit 3")
    if condition == "not-running":
        assert engine.api("POST", "/containers/waited/wait", condition=condition).json()["StatusCode"] == 0
        return
    waiter = cli.start("start", "-a", "waited")
    answer = engine.api("POST", "/containers/waited/wait", condition=condition)
    assert answer.json()["StatusCode"] == 3
    assert waiter.wait(30) == 3
    waiter.communicate()


def test_times_are_in_order(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "timed", "busybox", "true")
    assert engine.inspect("timed")["State"]["StartedAt"] in (NEVER, "0001-01-01T00:00:00Z")
    cli("start", "-a", "timed")
    found = engine.inspect("timed")
    assert found["Created"] < found["State"]["StartedAt"] < found["State"]["FinishedAt"]
    assert found["Created"][:4] == time.strftime("%Y", time.gmtime())


def test_several_errors_and_successes(cli: Program) -> None:
    cli("create", "--name", "here", "busybox")
    done = cli("rm", "here", "nowhere", code=1)
    assert done.out == "here\n"
    assert done.err == "Error response from daemon: No such container: nowhere\n"


def test_update_restart_policy(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "kept", "busybox")
    done = cli("update", "--restart", "always", "kept", code=None)
    if done.code == 0:
        assert engine.inspect("kept")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    else:
        assert "does not implement container update" in done.err


def test_inspect_format(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "seen", "--label", "a=1", "busybox", "echo", "x")
    out = cli(
        "inspect", "-f", '{{.Name}} {{json .Config.Cmd}} {{.State.Status}} {{index .Config.Labels "a"}}', "seen"
    ).out
    assert out == '/seen ["echo","x"] created 1\n'
    found = json.loads(cli("inspect", "seen").out)
    assert found[0]["Id"] == engine.inspect("seen")["Id"]
    done = cli("inspect", "unseen", code=1)
    assert (done.out, done.err.lower()) == ("[]\n", "error: no such object: unseen\n")
    done = cli("container", "inspect", "unseen", code=1)
    assert done.err == "Error response from daemon: No such container: unseen\n"
