"""Restarting, removing and attaching: what must hold while a container is between two states.

What only needs an engine runs against dockerd too.
"""

import json
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

Json = dict[str, Any]
FAILING = ("sh", "-c", "exit 3")


def create(engine: Engine, name: str, *command: str, **body: Any) -> str:
    made = {"Image": "busybox", "Cmd": list(command), **body}
    answer = engine.api("POST", "/containers/create", made, name=name)
    assert answer.status == 201, answer
    identity: str = answer.json()["Id"]
    return identity


def start(engine: Engine, name: str, *command: str, **body: Any) -> str:
    identity = create(engine, name, *command, **body)
    assert engine.api("POST", f"/containers/{name}/start").status == 204
    return identity


def policy(name: str, count: int = 0) -> Json:
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": count}, "NetworkMode": "none"}


def state(engine: Engine, container: str) -> Json:
    found: Json = engine.inspect(container)["State"]
    return found


def message(engine: Engine, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = engine.api(method, path, body)
    return answer.status, answer.json()["message"] if answer.body.startswith(b"{") else answer.body.decode().strip()


def told(engine: Engine, since: float, container: str) -> list[str]:
    words: dict[str, Any] = {"container": [container]}
    body = engine.api("GET", "/events", since=f"{since:.9f}", until=f"{time.time():.9f}", filters=words).body
    return [json.loads(line)["Action"] for line in body.splitlines()]


def waiting(engine: Engine, container: str, times: int = 4) -> None:
    """Until it waits for its next restart, which is long enough off to look at it."""

    def long_wait() -> bool:
        found = engine.inspect(container)
        return bool(found["RestartCount"] >= times and found["State"]["Status"] == "restarting")

    wait_until(long_wait, "a long wait for the next restart")


def test_a_container_that_waits_for_its_restart(engine: Engine) -> None:
    one = start(engine, "loop", *FAILING, HostConfig=policy("always"))
    waiting(engine, "loop", 5)
    found = state(engine, "loop")
    assert (found["Running"], found["Restarting"], found["ExitCode"], found["Pid"]) == (True, True, 3, 0)
    listed = engine.api("GET", "/containers/json", filters={"name": ["loop"]}).json()
    assert [row["State"] for row in listed] == ["restarting"]
    busy = f"Container {one} is restarting, wait until the container is running"
    assert engine.api("POST", "/containers/loop/start").status == 304
    assert message(engine, "POST", "/containers/loop/exec", {"Cmd": ["true"]}) == (409, busy)
    assert message(engine, "POST", "/containers/loop/pause") == (409, busy)
    assert "loop is restarting, wait until" in message(engine, "POST", "/containers/loop/attach?stream=1")[1]
    assert message(engine, "DELETE", "/containers/loop")[1].startswith('cannot remove container "loop": container is')
    waiting(engine, "loop")
    ended: list[Json] = []
    asking = threading.Thread(target=lambda: ended.append(engine.api("POST", "/containers/loop/wait").json()))
    asking.start()
    begun = time.time()
    assert engine.api("POST", "/containers/loop/stop").status == 204
    asking.join(20)
    assert [one["StatusCode"] for one in ended] == [3]
    assert state(engine, "loop")["Status"] == "exited" and told(engine, begun, one)[-1] == "stop"
    assert engine.api("POST", "/containers/loop/start").status == 204
    assert engine.inspect("loop")["RestartCount"] < 4
    waiting(engine, "loop")
    assert engine.api("DELETE", "/containers/loop", force="1").status == 204


def test_failures_are_counted(engine: Engine) -> None:
    one = start(engine, "twice", *FAILING, HostConfig=policy("on-failure", 2))

    def counted() -> bool:
        found = engine.inspect("twice")
        return (found["RestartCount"], found["State"]["Status"]) == (2, "exited")

    wait_until(counted, "two restarts")
    begun = time.time()
    assert engine.api("POST", "/containers/twice/start").status == 204
    wait_until(lambda: told(engine, begun, one).count("die") == 3 and counted(), "a new count")
    assert "restart" not in told(engine, begun, one)


def test_a_restart_keeps_what_was_made_with_rm(engine: Engine) -> None:
    start(engine, "brief", "sleep", "1000", HostConfig={"AutoRemove": True})
    pid = state(engine, "brief")["Pid"]
    assert engine.api("POST", "/containers/brief/restart", t="0").status == 204
    assert state(engine, "brief")["Pid"] not in (0, pid)
    assert engine.api("POST", "/containers/brief/stop", t="0").status == 204
    wait_until(lambda: engine.api("GET", "/containers/brief/json").status == 404, "it to be removed")


def test_memory_that_is_out_while_the_container_goes_on(engine: Engine) -> None:
    begun = time.time()
    small = {"Memory": 8 << 20, "MemorySwap": 8 << 20, "NetworkMode": "none"}
    one = start(engine, "hungry", "sh", "-c", 'sh -c "tail /dev/zero"; sleep 1000', HostConfig=small)
    wait_until(lambda: "oom" in told(engine, begun, one), "the event")
    found = state(engine, "hungry")
    assert found["Running"] and found["OOMKilled"]
    begun = time.time()
    two = start(engine, "greedy", "tail", "/dev/zero", HostConfig=small)
    assert engine.api("POST", "/containers/greedy/wait").json()["StatusCode"] == 137
    assert state(engine, "greedy")["OOMKilled"]
    actions = told(engine, begun, two)
    assert actions.count("oom") == 1 and actions.index("oom") < actions.index("die")


def attached(engine: Engine, container: str, words: str) -> Iterator[bytes]:
    """What an attached client gets, piece by piece."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(engine.socket))
        client.sendall(f"POST /containers/{container}/attach?{words} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        while piece := client.recv(65536):
            yield piece


def test_attaching_with_logs_has_no_gap_and_nothing_twice(havred: Havred) -> None:
    count = 20_000
    lines = "i=$1; while [ $i -lt $2 ]; do echo line $i; i=$((i+1)); done"
    # It stays until all are attached: who attaches to a container that has ended waits for its next start.
    script = f"f() {{ {lines}; }}; f 0 {count // 2}; until [ -e /go ]; do sleep 0.1; done; f {count // 2} {count}"
    create(havred, "writer", "sh", "-c", script, Tty=True)
    got: list[bytes] = []

    def listen() -> None:
        got.append(b"".join(attached(havred, "writer", "stream=1&stdout=1&logs=1")).partition(b"\r\n\r\n")[2])

    clients = [threading.Thread(target=listen) for _ in range(6)]
    clients[0].start()
    time.sleep(0.1)
    assert havred.api("POST", "/containers/writer/start").status == 204
    for client in clients[1:]:
        client.start()
        time.sleep(0.03)
    go = havred.api("POST", "/containers/writer/exec", {"Cmd": ["touch", "/go"]}).json()["Id"]
    assert havred.api("POST", f"/exec/{go}/start", {"Detach": True}).status == 200
    for client in clients:
        client.join(60)
    wanted = b"".join(b"line %d\r\n" % number for number in range(count))
    assert [one == wanted for one in got] == [True] * 6


def test_what_cannot_be_removed_is_dead_until_it_can(havred: Havred) -> None:
    one = create(havred, "stuck", "true")
    held = havred.data_root / "containers" / one / "held"
    held.mkdir()
    assert os.system(f"mount -t tmpfs tmpfs {held}") == 0
    try:
        status, text = message(havred, "DELETE", "/containers/stuck")
        assert status == 500 and "busy" in text
        found = state(havred, "stuck")
        assert (found["Status"], found["Dead"]) == ("dead", True) and "busy" in found["Error"]
        row = havred.api("GET", "/containers/json", all="1", filters={"status": ["dead"]}).json()[0]
        assert (row["State"], row["Status"]) == ("dead", "Dead")
        refused = message(havred, "POST", "/containers/stuck/start")
        assert refused[0] == 409 and "is marked for removal and cannot be started" in refused[1]
    finally:
        assert os.system(f"umount {held}") == 0
    assert havred.api("DELETE", "/containers/stuck").status == 204
    assert havred.containers() == []


def test_a_removal_by_force_does_not_wait_for_a_start_that_hangs(new_havred: NewDaemon, tmp_path: Path) -> None:
    runc, program, switch = shutil.which("runc"), tmp_path / "slow", tmp_path / "hang"
    hangs = f'case " $* " in *" create "*) [ -e {switch} ] && exec sleep 1000;; esac'
    program.write_text(f'#!/bin/sh\n{hangs}\nexec {runc} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    daemon = new_havred("--add-runtime", f"slow={program}")
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    switch.touch()
    create(daemon, "late", "true", HostConfig={"Runtime": "slow", "NetworkMode": "none"})
    answers: list[tuple[int, str]] = []
    starting = threading.Thread(target=lambda: answers.append(message(daemon, "POST", "/containers/late/start")))
    starting.start()
    time.sleep(0.5)
    assert daemon.api("DELETE", "/containers/late", force="1").status == 204
    starting.join(30)
    assert answers[0][0] == 409 and "marked for removal" in answers[0][1]


def test_removing_makes_room_on_a_full_disk(small_disk: Path) -> None:
    daemon = Havred(small_disk)
    try:
        daemon.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        names = [f"idle{number}" for number in range(3)]
        for name in names:
            create(daemon, name, "true", HostConfig={"NetworkMode": "none"})
        start(daemon, "full", "sh", "-c", "dd if=/dev/zero of=/fill bs=4096; sleep 1000", HostConfig=policy("always"))

        def is_full() -> bool:
            facts = os.statvfs(small_disk)
            return facts.f_bavail == 0 and daemon.api("POST", "/containers/create", {"Image": "busybox"}).status == 500

        wait_until(is_full, "the disk to be full")
        for name in (*names, "full"):
            answer = daemon.api("DELETE", f"/containers/{name}", force="1", v="1")
            assert answer.status == 204, answer
        wait_until(lambda: os.statvfs(small_disk).f_bavail > 5000, "the room to be free")
        create(daemon, "again", "true")
        assert daemon.api("DELETE", "/containers/again").status == 204
        assert (daemon.data_root / "reserve").exists()
    finally:
        daemon.close()


def test_restart_policies_at_the_start_of_a_daemon(new_havred: NewDaemon) -> None:
    daemon = new_havred("--live-restore=false", "--shutdown-timeout", "1")
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    for name in ("no", "always", "unless-stopped", "on-failure"):
        start(daemon, f"{name}-ran", "sleep", "1000", HostConfig=policy(name))
        start(daemon, f"{name}-stopped", "sleep", "1000", HostConfig=policy(name))
        assert daemon.api("POST", f"/containers/{name}-stopped/stop", t="0").status == 204
        create(daemon, f"{name}-made", "sleep", "1000", HostConfig=policy(name))
    start(daemon, "tired", *FAILING, HostConfig=policy("on-failure", 1))
    wait_until(lambda: engine_is(daemon, "tired", 1, "exited"), "the last try")
    daemon.restart()
    wanted = {"always-ran", "always-stopped", "unless-stopped-ran", "on-failure-ran"}
    running = {one["Names"][0][1:] for one in daemon.containers() if one["State"] == "running"}
    assert running == wanted
    daemon.kill()
    daemon.start()
    assert {one["Names"][0][1:] for one in daemon.containers() if one["State"] == "running"} == wanted


def engine_is(engine: Engine, name: str, restarts: int, status: str) -> bool:
    found = engine.inspect(name)
    return (found["RestartCount"], found["State"]["Status"]) == (restarts, status)


def test_events_outlive_the_daemon(fresh_havred: Havred, tmp_path: Path) -> None:
    begun = time.time()
    one = start(fresh_havred, "seen", "true", HostConfig={"NetworkMode": "none"})
    wait_until(lambda: state(fresh_havred, "seen")["Status"] == "exited", "its end")
    time.sleep(0.5)
    fresh_havred.kill()
    fresh_havred.start()
    assert told(fresh_havred, begun, one) == ["create", "start", "die"]
    assert fresh_havred.api("DELETE", "/containers/seen").status == 204
    fresh_havred.restart()
    assert told(fresh_havred, begun, one) == ["create", "start", "die", "destroy"]
    body = fresh_havred.api("GET", "/events", since=f"{begun:.9f}", until=f"{time.time():.9f}").body
    moments = [json.loads(line)["timeNano"] for line in body.splitlines()]
    assert moments == sorted(moments)
    exact = f"{moments[0] // 10**9}.{moments[0] % 10**9:09d}"
    assert len(fresh_havred.api("GET", "/events", since=exact, until=exact).body.splitlines()) == 1


def test_volumes_tell_of_their_use(engine: Engine, cli: Program) -> None:
    begun = time.time()
    cli("run", "--name", "user", "-v", "used:/data:ro", "busybox", "true")
    words: dict[str, Any] = {"type": ["volume"], "volume": ["used"]}

    def events() -> list[Json]:
        body = engine.api("GET", "/events", since=f"{begun:.9f}", until=f"{time.time():.9f}", filters=words).body
        return [json.loads(line) for line in body.splitlines()]

    wait_until(lambda: len(events()) == 3, "three events", lambda: str(events()))
    one = engine.inspect("user")["Id"]
    assert [event["Action"] for event in events()] == ["create", "mount", "unmount"]
    attributes = events()[1]["Actor"]["Attributes"]
    mount = {"container": one, "destination": "/data", "driver": "local", "propagation": "", "read/write": "false"}
    assert attributes == mount
    assert events()[2]["Actor"]["Attributes"] == {"container": one, "driver": "local"}
