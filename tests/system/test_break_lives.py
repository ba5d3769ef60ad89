"""Lives under stress: clients that do not read, verbs that race, processes frozen and killed, full disks."""

import os
import random
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system import images
from tests.system.harness import PATIENCE, Engine, Havred, wait_until

Json = dict[str, Any]


def create(engine: Engine, *command: str, **host: Any) -> str:
    answer = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": list(command), "HostConfig": host})
    assert answer.status == 201, answer
    identity: str = answer.json()["Id"]
    return identity


def start(engine: Engine, *command: str, **host: Any) -> str:
    container = create(engine, *command, **host)
    answer = engine.api("POST", f"/containers/{container}/start")
    assert answer.status == 204, answer
    return container


def status(engine: Engine, container: str) -> str:
    word: str = engine.inspect(container)["State"]["Status"]
    return word


def conmon_of(havred: Havred, container: str) -> int:
    return int((havred.exec_root / "containers" / container / "conmon.pid").read_text())


def payload(frames: bytes) -> bytes:
    """What is in the frames of an attached stream."""
    parts = []
    while frames:
        size = int.from_bytes(frames[4:8])
        parts.append(frames[8 : 8 + size])
        frames = frames[8 + size :]
    return b"".join(parts)


@contextmanager
def deaf_client(engine: Engine, path: str) -> Iterator[None]:
    """A client that asks for the output at ``path`` and never reads it."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(str(engine.socket))
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        assert b"101" in client.recv(64)
        yield


def test_a_client_that_does_not_read_does_not_keep_a_container_from_being_removed(engine: Engine) -> None:
    container = create(engine, "sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done")
    with deaf_client(engine, f"/containers/{container}/attach?stream=1&stdout=1&stderr=1"):
        assert engine.api("POST", f"/containers/{container}/start").status == 204
        time.sleep(1)
        assert engine.api("DELETE", f"/containers/{container}?force=1", timeout=PATIENCE).status == 204


def test_a_client_that_does_not_read_an_exec_does_not_keep_the_container_from_being_removed(engine: Engine) -> None:
    container = start(engine, "sleep", "1000")
    flood = {
        "Cmd": ["sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done"],
        "AttachStdout": True,
    }
    identity = engine.api("POST", f"/containers/{container}/exec", flood).json()["Id"]
    with deaf_client(engine, f"/exec/{identity}/start"):
        time.sleep(1)
        assert engine.api("DELETE", f"/containers/{container}?force=1", timeout=PATIENCE).status == 204


def test_a_slow_client_gets_all_of_the_output_after_the_end(engine: Engine) -> None:
    lines = 12_000
    container = create(engine, "sh", "-c", f"i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(engine.socket))
        path = f"/containers/{container}/attach?stream=1&stdout=1&stderr=1"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
        assert b"101" in client.recv(64)
        assert engine.api("POST", f"/containers/{container}/start").status == 204
        wait_until(lambda: status(engine, container) == "exited", "the end although nobody reads")
        received = b""
        while piece := client.recv(65536):
            received += piece
    output = payload(received.partition(b"\r\n\r\n")[2])
    assert output.splitlines() == [f"line {number}".encode() for number in range(lines)]


def test_stop_ends_a_container_that_restarts_again_and_again(engine: Engine) -> None:
    for attempt in range(12):
        container = start(engine, "false", RestartPolicy={"Name": "always"})
        time.sleep(0.03 * attempt)
        assert engine.api("POST", f"/containers/{container}/stop?t=1").status in (204, 304)
        assert status(engine, container) == "exited"
        time.sleep(0.5)
        assert status(engine, container) == "exited", f"it was restarted after stop (attempt {attempt})"
        assert engine.api("DELETE", f"/containers/{container}").status == 204


def test_an_image_cannot_keep_its_containers_from_being_stopped(engine: Engine) -> None:
    engine.load(images.busybox().derive("odd-signal", {"StopSignal": "NONSENSE"}).archive("odd-signal:latest"))
    body = {"Image": "odd-signal", "Cmd": ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"]}
    container = engine.api("POST", "/containers/create", body).json()["Id"]
    assert engine.api("POST", f"/containers/{container}/start").status == 204
    time.sleep(0.5)
    assert engine.api("POST", f"/containers/{container}/kill?signal=USR2").status == 204
    assert engine.api("POST", f"/containers/{container}/start").status in (204, 304)
    time.sleep(0.5)
    assert engine.api("POST", f"/containers/{container}/stop").status == 204
    assert engine.inspect(container)["State"]["ExitCode"] == 5


def test_a_restart_that_cannot_be_ends_the_restarting(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    container = start(engine, "sh", "-c", "sleep 0.3; exit 3", RestartPolicy={"Name": "always"}, Binds=[f"{source}:/x"])
    source.unlink()
    wait_until(lambda: status(engine, container) == "exited", "the restart to fail")
    answer = engine.api("POST", f"/containers/{container}/wait", timeout=20)
    assert answer.status == 200 and "source" in answer.json()["Error"]["Message"], answer
    state = engine.inspect(container)["State"]
    assert state["Status"] == "exited" and "source" in state["Error"], state


def test_pausing_in_a_race_with_everything_leaves_no_frozen_container(engine: Engine) -> None:
    container = start(engine, "sleep", "1000")
    until = time.monotonic() + 6
    odd: list[str] = []

    def race(seed: int) -> None:
        verbs = ["start", "stop?t=0", "kill", "restart?t=0", "pause", "unpause", "kill?signal=TERM"]
        dice = random.Random(seed)
        while time.monotonic() < until:
            verb = dice.choice(verbs)
            answer = engine.api("POST", f"/containers/{container}/{verb}")
            if answer.status >= 500:
                odd.append(f"{verb}: {answer}")

    threads = [threading.Thread(target=race, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.api("DELETE", f"/containers/{container}?force=1").status == 204
    assert not odd


def test_execs_in_a_race_with_everything_fail_in_words_and_leave_nothing(engine: Engine) -> None:
    container = start(engine, "sleep", "1000")
    until = time.monotonic() + 5
    odd: list[str] = []

    def restart() -> None:
        while time.monotonic() < until:
            answer = engine.api("POST", f"/containers/{container}/restart?t=0")
            if answer.status != 204:
                odd.append(f"restart: {answer}")

    def execute() -> None:
        while time.monotonic() < until:
            made = engine.api("POST", f"/containers/{container}/exec", {"Cmd": ["true"]})
            if made.status == 201:
                answer = engine.api("POST", f"/exec/{made.json()['Id']}/start", {"Detach": True})
                if b"FileNotFound" in answer.body or b"FileExists" in answer.body or b"not installed" in answer.body:
                    odd.append(f"exec: {answer}")

    threads = [threading.Thread(target=work) for work in (restart, execute, execute, execute)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.api("DELETE", f"/containers/{container}?force=1").status == 204
    assert not odd


def test_killing_conmon_of_a_paused_container_leaves_no_process(havred: Havred) -> None:
    container = start(havred, "sleep", "1000")
    pid = havred.inspect(container)["State"]["Pid"]
    assert havred.api("POST", f"/containers/{container}/pause").status == 204
    os.kill(conmon_of(havred, container), signal.SIGKILL)
    wait_until(lambda: status(havred, container) == "exited", "the end of its conmon to be seen")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the frozen process to be gone")


def test_a_conmon_that_does_not_move_is_overcome(havred: Havred) -> None:
    container = start(havred, "sleep", "1000")
    os.kill(conmon_of(havred, container), signal.SIGSTOP)
    assert havred.api("DELETE", f"/containers/{container}?force=1").status == 204


def test_a_container_that_ends_on_a_full_disk_is_seen_to_end_when_there_is_space(small_disk: Path) -> None:
    daemon = Havred(small_disk)
    try:
        daemon.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        container = start(daemon, "sh", "-c", "sleep 1; exit 7")
        fill = small_disk / "fill"
        with fill.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        answer = daemon.api("POST", "/containers/create", {"Image": "busybox"})
        assert answer.status == 500 and "full" in answer.json()["message"], answer
        time.sleep(2)
        fill.unlink()
        wait_until(lambda: status(daemon, container) == "exited", "the end to be noted")
        assert daemon.inspect(container)["State"]["ExitCode"] == 7
    finally:
        daemon.close()


def test_removing_a_container_whose_mounted_image_is_just_looked_at(havred: Havred) -> None:
    engine: Engine = havred
    container = create(engine, "true", Mounts=[{"Type": "image", "Source": "busybox", "Target": "/image"}])
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(str(engine.socket))
        client.sendall(f"GET /containers/{container}/archive?path=/image HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b" 200 " in client.recv(64)
        answer = engine.api("DELETE", f"/containers/{container}?force=1")
        assert answer.status == 204, answer


def test_more_clients_than_descriptors(fresh_havred: Havred) -> None:
    """Those for whom there is none wait, and the daemon keeps calm."""
    assert fresh_havred.process is not None
    process = fresh_havred.process.pid
    start(fresh_havred, "sleep", "1000")
    most = len(os.listdir(f"/proc/{process}/fd")) + 30
    resource.prlimit(process, resource.RLIMIT_NOFILE, (most, most))
    clients = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for client in clients:
        client.connect(str(fresh_havred.socket))
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: "out of system resource" in fresh_havred.log.read_text(), "a client too many")
    for client in clients:
        client.close()
    assert fresh_havred.api("GET", "/_ping").status == 200
    assert fresh_havred.log.read_text().count("out of system resource") < 10


FREEZING_ITSELF = """
for group in /sys/fs/cgroup/freezer/own /sys/fs/cgroup/own; do
    mkdir $group || continue
    sleep 1000 &
    echo $! > $group/cgroup.procs
    echo FROZEN > $group/freezer.state || echo 1 > $group/cgroup.freeze
done
until cat /sys/fs/cgroup/freezer/own/freezer.state /sys/fs/cgroup/own/cgroup.events | grep -qE 'FROZEN|^frozen 1'; do
    sleep 0.1
done
touch /ready
sleep 1000
"""


def test_a_container_that_freezes_a_part_of_itself_is_removed(havred: Havred) -> None:
    engine: Engine = havred
    container = start(engine, "sh", "-c", FREEZING_ITSELF, SecurityOpt=["writable-cgroups=true"])
    wait_until(lambda: b"/ready" in engine.api("GET", f"/containers/{container}/changes").body, "the groups")
    answer = engine.api("DELETE", f"/containers/{container}?force=1")
    assert answer.status == 204, answer
