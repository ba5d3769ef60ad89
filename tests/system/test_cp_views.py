"""Which files ``cp`` sees: of containers that run, do not run, start or go meanwhile, or try to lead it astray."""

import os
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.conftest import docker_for
from tests.system.harness import Engine, Havred, UnixConnection, wait_until
from tests.system.programs import Program
from tests.system.test_cp_docker import archive, packed, request, unpacked


def names(engine: Engine, path: str, container: str = "box") -> list[str]:
    return list(unpacked(archive(engine, path, container)))


class Slow:
    """A copy under way: an archive asked for and not read yet, or one sent by half."""

    def __init__(self, engine: Engine, container: str, path: str, body: bytes = b"") -> None:
        self._connection = UnixConnection(engine.socket, 60)
        self._rest = body[len(body) // 2 :]
        self._connection.putrequest("PUT" if body else "GET", f"/containers/{container}/archive?path={quote(path)}")
        if body:
            self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders()
        self._response: HTTPResponse | None = None
        if body:
            self._connection.send(body[: len(body) // 2])
        else:
            self._response = self._connection.getresponse()

    def finish(self) -> tuple[int, bytes]:
        if self._response is None:
            self._connection.send(self._rest)
            self._response = self._connection.getresponse()
        try:
            return self._response.status, self._response.read()
        finally:
            self._connection.close()


def mounts_of(daemon: Havred, container: str) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if f"{daemon.data_root}/containers/{container}" in line]


def test_a_running_container_shows_its_mounts(docker: Program, engine: Engine) -> None:
    mounted = ["-v", "vol:/vol", "--tmpfs", "/scratch"]
    docker("run", "-d", "--name", "box", *mounted, "busybox", "sh", "-c", "touch /vol/v /scratch/s /r; sleep 1000")
    wait_until(lambda: "r" in docker("exec", "box", "ls", "/").lines, "the files to be there")
    assert names(engine, "/vol") == ["vol", "vol/v"]
    if isinstance(engine, Havred):
        # Docker shows an empty directory: its view has a tmpfs of its own.
        assert names(engine, "/scratch") == ["scratch", "scratch/s"]
        docker("cp", "-", "box:/scratch", stdin=packed(("in", {"data": b"x"})))
        assert docker("exec", "box", "cat", "/scratch/in").out == "x"


def test_pseudo_file_systems_are_no_files(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    assert names(engine, "/proc") == ["proc"]
    whole = names(engine, "/")
    assert "/etc/passwd" in whole and not [name for name in whole if name.startswith(("/proc/", "/sys/", "/dev/null"))]
    assert request(engine, "/proc/version").status == 404


def test_a_paused_container(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "box", "--tmpfs", "/scratch", "busybox", "sleep", "1000")
    docker("pause", "box")
    docker("cp", "-", "box:/tmp", stdin=packed(("in", {"data": b"x"})))
    assert names(engine, "/tmp/in") == ["in"]
    docker("unpause", "box")


def test_a_process_that_changed_its_root(docker: Program, engine: Engine) -> None:
    command = (
        "mkdir -p /jail/bin; cp /bin/busybox /jail/bin/; touch /outside; exec chroot /jail /bin/busybox sleep 1000"
    )
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", command)
    wait_until(lambda: "busybox sleep" in docker("top", "box").out, "the change of root")
    assert names(engine, "/outside") == ["outside"]
    assert "jail/bin/busybox" in names(engine, "/jail")


def test_a_process_that_went_over_to_the_host(docker: Program, engine: Engine, tmp_path: Path) -> None:
    """A privileged container's process may show the host's files; they are not the container's."""
    (tmp_path / "host").touch()
    command = ["nsenter", "-t", str(os.getpid()), "-m", "sleep", "1000"]
    docker("run", "-d", "--name", "box", "--privileged", "--pid", "host", "-v", "vol:/vol", "busybox", *command)
    pid = engine.inspect("box")["State"]["Pid"]
    wait_until(
        lambda: os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"), "the process to be on the host"
    )
    assert request(engine, str(tmp_path / "host")).status == 404
    docker("cp", "-", "box:/vol", stdin=packed(("in", {"data": b"x"})))
    assert names(engine, "/vol") == ["vol", "vol/in"]
    docker("cp", "-", "box:/tmp", stdin=packed(("havre-cp-test", {"data": b"x"})))
    assert not Path("/tmp/havre-cp-test").exists()


def test_a_start_during_a_copy(docker: Program, havred: Havred) -> None:
    waiting = "while ! [ -e /tmp/second ]; do sleep 0.1; done; cat /tmp/*"
    docker("create", "--name", "box", "busybox", "sh", "-c", waiting)
    container = havred.inspect("box")["Id"]
    docker("cp", "-", "box:/", stdin=packed(("big", {"data": bytes(30_000_000)})))
    reading = Slow(havred, "box", "/big")
    writing = Slow(havred, "box", "/tmp", packed(("first", {"data": b"1" * 3_000_000}), ("second", {"data": b"2"})))
    docker("start", "box")
    assert len(mounts_of(havred, container)) == 1, "the container and the copies are on the same mount"
    status, data = reading.finish()
    assert (status, unpacked(data)["big"].size) == (200, 30_000_000)
    assert writing.finish()[0] == 200
    assert docker("wait", "box").out == "0\n"
    assert len(docker("logs", "box").out) == 3_000_001
    assert mounts_of(havred, container) == []


def test_a_removal_during_a_copy(docker: Program, havred: Havred) -> None:
    docker("create", "--name", "box", "-v", "/vol", "busybox")
    docker("cp", "-", "box:/", stdin=packed(("big", {"data": bytes(30_000_000)})))
    reading = Slow(havred, "box", "/big")
    writing = Slow(havred, "box", "/tmp", packed(("first", {"data": b"1" * 3_000_000})))
    docker("rm", "-v", "box")
    assert len(reading.finish()[1]) > 30_000_000
    writing.finish()


def test_a_stop_during_a_copy(docker: Program, havred: Havred) -> None:
    docker("run", "-d", "--name", "box", "--tmpfs", "/scratch", "busybox", "sleep", "1000")
    docker("cp", "-", "box:/scratch", stdin=packed(("big", {"data": bytes(30_000_000)})))
    reading = Slow(havred, "box", "/scratch/big")
    docker("stop", "-t", "0", "box")
    assert unpacked(reading.finish()[1])["big"].size == 30_000_000
    docker("start", "box")


def test_a_client_that_goes_leaves_nothing_open(docker: Program, havred: Havred) -> None:
    assert havred.process is not None
    descriptors = Path(f"/proc/{havred.process.pid}/fd")
    docker("create", "--name", "box", "busybox")
    docker("cp", "-", "box:/", stdin=packed(("big", {"data": bytes(30_000_000)})))
    container = havred.inspect("box")["Id"]
    before = len(list(descriptors.iterdir()))
    for copy in (
        Slow(havred, "box", "/big"),
        Slow(havred, "box", "/tmp", packed(("first", {"data": b"1" * 3_000_000}))),
    ):
        assert mounts_of(havred, container)
        copy._connection.close()
        if copy._response is not None:
            copy._response.close()
    wait_until(lambda: not mounts_of(havred, container), "the copies to end")
    wait_until(lambda: len(list(descriptors.iterdir())) <= before, "their descriptors to be closed")


def test_a_daemon_killed_during_a_copy(fresh_havred: Havred, tmp_path: Path) -> None:
    docker = docker_for(fresh_havred, tmp_path)
    docker("create", "--name", "box", "busybox", "cat", "/kept")
    docker("cp", "-", "box:/", stdin=packed(("big", {"data": bytes(30_000_000)}), ("kept", {"data": b"kept"})))
    reading = Slow(fresh_havred, "box", "/big")
    fresh_havred.kill()
    with pytest.raises((OSError, IncompleteRead)):
        reading.finish()
    fresh_havred.start()
    assert docker("start", "-a", "box").out == "kept"
    assert unpacked(archive(fresh_havred, "/big"))["big"].size == 30_000_000
    docker("rm", "box")


@pytest.fixture
def hostile(docker: Program, tmp_path: Path) -> Iterator[Path]:
    """A container that keeps exchanging a directory for a link to a directory of the host, which is returned."""
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "f").write_text("secret of the host")
    loop = f"while :; do mv /d /aside; ln -s {outside} /d; rm /d; mv /aside /d; done 2>/dev/null"
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", f"mkdir -p /d/sub; echo mine >/d/sub/f; {loop}")
    yield outside


def test_a_hostile_container(docker: Program, engine: Engine, hostile: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in [hostile, *hostile.rglob("*")]}
    stream = packed(("d/sub/new", {"data": b"x"}), ("d/sub/f", {"data": b"y"}), ("d/top", {"data": b"z"}))
    outcomes: set[int] = set()

    def read() -> None:
        for path in ("/d/sub", "/d/", "/") * 60:
            answer = request(engine, path)
            outcomes.add(answer.status if b"secret of the host" not in answer.body else 666)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        outcomes.add(request(engine, "/", body=stream).status)
        outcomes.add(request(engine, "/d/sub", body=packed(("in", {"data": b"x"}))).status)
    reader.join()
    assert 666 not in outcomes
    assert {path: path.lstat().st_mtime_ns for path in [hostile, *hostile.rglob("*")]} == before
    assert 200 in outcomes and len(outcomes) > 1, "the race was not run"


def test_links_mean_places_in_the_container(docker: Program, engine: Engine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "host").write_text("of the host")
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    docker("exec", "box", "sh", "-c", f"ln -s {outside} /way; ln -s /proc/self/root /self")
    for path in ("/way/host", "/way/", "/self/etc/passwd"):
        assert request(engine, path).status in (400, 404)
    for path in ("/way", "/self"):
        assert request(engine, path, body=packed(("in", {}))).status in (400, 404)
    assert os.listdir(outside) == ["host"]


def test_devices_are_never_opened(docker: Program, engine: Engine) -> None:
    """Each of these would block, never end, or be acted on if it were opened."""
    docker(
        *("run", "-d", "--name", "box", "busybox", "sh", "-c"),
        "mkfifo /d-fifo; mknod /d-zero c 1 5; mknod /d-block b 7 200; mknod /d-none c 42 1; sleep 1000",
    )
    wait_until(lambda: "d-none" in docker("exec", "box", "ls", "/").out, "the devices to be made")
    found = unpacked(archive(engine, "/"))
    assert [found[f"/{name}"].type for name in ("d-fifo", "d-zero", "d-block", "d-none")] == [b"6", b"3", b"4", b"3"]


def test_top(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", "sleep 1234 & wait")
    wait_until(lambda: "sleep 1234" in docker("top", "box").out, "both processes")
    rows: list[list[Any]] = engine.api("GET", "/containers/box/top").json()["Processes"]
    assert sorted(row[-1] for row in rows) == ["sh -c sleep 1234 & wait", "sleep 1234"]
    shown = docker("top", "box", "-o", "pid,args").lines
    assert len(shown) == 3 and shown[0].split() == ["PID", "COMMAND"]
    host = subprocess.run(["ps", "-o", "args=", "-p", shown[1].split()[0]], check=True, capture_output=True, text=True)
    assert host.stdout.strip() in [line.split(maxsplit=1)[1].strip() for line in shown[1:]]
    assert "Couldn't find PID field in ps output" in docker("top", "box", "-o", "args", code=1).err
    docker("stop", "-t", "0", "box")
    assert "is not running" in docker("top", "box", code=1).err
