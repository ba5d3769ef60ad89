"""What the API says of execs, in dockerd's words. But for the last test all of it runs against dockerd too."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from havre.kernel.cgroups import Cgroups
from tests.system.groups import Groups
from tests.system.harness import Engine, wait_until

Json = dict[str, Any]


@pytest.fixture
def box(engine: Engine) -> Iterator[str]:
    """A container that runs."""
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
    identity: str = engine.api("POST", "/containers/create", body, name="box").json()["Id"]
    assert engine.api("POST", "/containers/box/start").status == 204
    yield identity


def make(engine: Engine, *command: str, **body: Any) -> str:
    answer = engine.api("POST", "/containers/box/exec", {"Cmd": list(command), **body})
    assert answer.status == 201, answer
    identity: str = answer.json()["Id"]
    return identity


def begin(engine: Engine, identity: str, **body: Any) -> tuple[int, str]:
    answer = engine.api("POST", f"/exec/{identity}/start", {"Detach": True, **body})
    return answer.status, answer.json()["message"] if answer.body else ""


def inspect(engine: Engine, identity: str) -> Json:
    found: Json = engine.api("GET", f"/exec/{identity}/json").json()
    return found


def told(engine: Engine, since: float, box: str) -> list[str]:
    words: Json = {"container": [box]}
    body = engine.api("GET", "/events", since=f"{since:.9f}", until=f"{time.time():.9f}", filters=words).body
    return [json.loads(line)["Action"] for line in body.splitlines()]


def test_from_create_to_end(engine: Engine, box: str) -> None:
    begun = time.time()
    asked = {"Tty": True, "AttachStdout": True, "Privileged": True, "User": "0:0", "DetachKeys": "ctrl-a"}
    one = make(engine, "sh", "-c", "sleep 0.5; exit 3", **asked)
    found = inspect(engine, one)
    assert (found["Running"], found["ExitCode"], found["Pid"], found["DetachKeys"]) == (False, None, 0, "AQ==")
    words = {"entrypoint": "sh", "arguments": ["-c", "sleep 0.5; exit 3"], "user": "0:0"}
    assert found["ProcessConfig"] == {"tty": True, "privileged": True, **words}
    assert (found["OpenStdin"], found["OpenStdout"], found["OpenStderr"]) == (False, True, False)
    assert begin(engine, one, Tty=True) == (200, "")
    assert begin(engine, one) == (409, f"exec command {one} is already running")
    assert engine.inspect("box")["ExecIDs"] == [one]
    wait_until(lambda: inspect(engine, one)["ExitCode"] == 3, "its end")
    found = inspect(engine, one)
    assert (found["Running"], found["CanRemove"], found["ContainerID"]) == (False, False, box)
    assert begin(engine, one) == (409, f"exec command {one} has already run")
    assert engine.api("POST", f"/exec/{one}/resize?h=1&w=1").status == 404
    line = "sh -c sleep 0.5; exit 3"
    assert told(engine, begun, box) == [f"exec_create: {line}", f"exec_start: {line}", "exec_die"]


def test_one_that_cannot_be_started(engine: Engine, box: str) -> None:
    begun = time.time()
    one = make(engine, "nothing")
    status, text = begin(engine, one)
    assert status == 400 and text.endswith('exec: "nothing": executable file not found in $PATH')
    assert inspect(engine, one)["ExitCode"] == 127
    assert told(engine, begun, box) == ["exec_create: nothing ", "exec_start: nothing "]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Cmd": []}, "No exec command specified"),
        ({"Cmd": ["true"], "User": "stranger"}, "unable to find user stranger: no matching entries in passwd file"),
        ({"Cmd": ["true"], "DetachKeys": "foo"}, "Invalid escape keys (foo) provided"),
    ],
)
def test_refused_at_create(engine: Engine, box: str, body: Json, text: str) -> None:
    answer = engine.api("POST", "/containers/box/exec", body)
    assert answer.status in (400, 500) and answer.json()["message"] == text


def test_the_start_says_whether_there_are_frames(engine: Engine, box: str) -> None:
    for tty, wanted in ((True, b"x\n"), (False, b"\x01\0\0\0\0\0\0\x02x\n")):
        one = make(engine, "echo", "x", AttachStdout=True)
        assert engine.api("POST", f"/exec/{one}/start", {"Tty": tty}).body == wanted


def test_paused_and_stopped(engine: Engine, box: str) -> None:
    one = make(engine, "true")
    assert engine.api("POST", "/containers/box/pause").status == 204
    paused = "is paused, unpause the container before exec"
    assert begin(engine, one) == (409, f"Container {box} {paused}")
    answer = engine.api("POST", "/containers/box/exec", {"Cmd": ["true"]})
    assert (answer.status, answer.json()["message"]) == (409, f"Container box {paused}")
    assert engine.api("POST", "/containers/box/unpause").status == 204
    assert engine.api("POST", "/containers/box/stop", t="0").status == 204
    # One that was not started goes with the run it was made for.
    assert begin(engine, one) == (404, f"No such exec instance: {one}")
    answer = engine.api("POST", "/containers/box/exec", {"Cmd": ["true"]})
    assert (answer.status, answer.json()["message"]) == (409, f"container {box} is not running")


def test_paused_for_a_moment(engine: Engine, box: str) -> None:
    # As a pause that is over again before anybody looks why the exec has failed: the engine knows of none.
    exec_id = make(engine, "true")
    groups, group = Cgroups.detect(), Groups(engine, "box").path("freezer")
    groups.freeze(group)
    try:
        assert begin(engine, exec_id) == (409, f"Container {box} is paused, unpause the container before exec")
    finally:
        groups.thaw(group)
    assert inspect(engine, exec_id)["ExitCode"] is not None
