"""``exec``, ``attach``, ``start -a`` and ``logs`` without a terminal."""

from collections.abc import Iterator

import pytest
from tests.fakes.daemon import Answer, FakeDaemon
from tests.unit.cli.conftest import CONTAINER, Container, Havre

from havre.wire.stdcopy import STDERR, STDOUT, SYSTEMERR, frame

BOTH = frame(STDOUT, b"out\n") + frame(STDERR, b"err\n")
RAW = {"Content-Type": "application/vnd.docker.raw-stream"}


@pytest.fixture
def executor(daemon: FakeDaemon) -> FakeDaemon:
    daemon.on("POST", "/containers/*/exec", status=201, json={"Id": "e1"})
    daemon.on("POST", "/exec/*/start", hijack=lambda s: s.send(BOTH))
    daemon.on("GET", "/exec/*/json", json={"ExitCode": 3, "Running": False})
    return daemon


def test_exec(havre: Havre, executor: FakeDaemon) -> None:
    done = havre("exec", "-e", "A=1", "-u", "app", "-w", "/x", "c", "sh", "-c", "exit 3")
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")
    create, start, inspect = executor.requests
    assert create.json() == {
        "Cmd": ["sh", "-c", "exit 3"],
        "Tty": False,
        "Privileged": False,
        "Detach": False,
        "User": "app",
        "WorkingDir": "/x",
        "Env": ["A=1"],
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    assert start.json() == {"Detach": False, "Tty": False}
    assert inspect.path == "/exec/e1/json"


def test_exec_with_input(havre: Havre, executor: FakeDaemon) -> None:
    executor.on("POST", "/exec/*/start", hijack=lambda s: s.send(frame(STDOUT, s.read_all().upper())))
    assert havre("exec", "-i", "c", "cat", stdin=b"hello").out == "HELLO"


def test_exec_detached(havre: Havre, executor: FakeDaemon) -> None:
    executor.on("POST", "/exec/*/start", status=200)
    done = havre("exec", "-d", "c", "sleep", "1")
    assert (done.code, done.out) == (0, "")
    assert executor.requests[0].json()["Cmd"] == ["sleep", "1"]
    assert "AttachStdout" not in executor.requests[0].json()
    assert executor.requests[1].json() == {"Detach": True, "Tty": False}


def test_exec_it_without_a_terminal(havre: Havre, executor: FakeDaemon) -> None:
    executor.on("GET", "/containers/*/json", Answer(json={}), Answer(404, json={"message": "No such container: c"}))
    assert havre("exec", "-it", "c", "sh").err == "the input device is not a TTY\n"
    assert havre("exec", "-it", "c", "sh").err == "Error response from daemon: No such container: c\n"
    assert not executor.asked("POST", "/containers/*/exec")


def test_exec_that_is_refused(havre: Havre, executor: FakeDaemon) -> None:
    executor.on("POST", "/containers/*/exec", status=409, json={"message": "container c is not running"})
    done = havre("exec", "c", "sh")
    assert (done.code, done.err) == (1, "Error response from daemon: container c is not running\n")
    assert havre("exec", "c").code == 1


def test_attach(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    container.code = 4
    container.serve(lambda s: s.send(BOTH))
    done = havre("attach", "--no-stdin", "c")
    assert (done.code, done.out, done.err) == (4, "out\n", "err\n")
    assert daemon.asked("POST", "/containers/*/attach")[0].query == {"stream": ["1"], "stdout": ["1"], "stderr": ["1"]}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"Running": False}, "You cannot attach to a stopped container, start it first"),
        ({"Running": True, "Paused": True}, "You cannot attach to a paused container, unpause it first"),
        (
            {"Running": True, "Restarting": True},
            "You cannot attach to a restarting container, wait until it is running",
        ),
    ],
)
def test_attach_to_what_does_not_run(havre: Havre, daemon: FakeDaemon, state: dict[str, bool], text: str) -> None:
    daemon.on("GET", "/containers/*/json", json={"Id": CONTAINER, "State": state, "Config": {}})
    done = havre("attach", "c")
    assert (done.code, done.err) == (1, f"{text}\n")


def test_attach_to_one_that_ends_meanwhile(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    running = {"Id": CONTAINER, "State": {"Running": True}, "Config": {"Tty": False, "OpenStdin": False}}
    daemon.on("GET", "/containers/*/json", Answer(json=running), Answer(json={**running, "State": {"Running": False}}))
    container.serve(lambda s: container.ended.wait(1))
    assert havre("attach", "c").err == "You cannot attach to a stopped container, start it first\n"


def test_start_attached(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    container.code = 9
    container.serve(lambda s: s.send(frame(STDOUT, s.read_all())))
    assert (done := havre("start", "-ai", "c", stdin=b"in")).code == 9
    assert done.out == "in"
    assert daemon.trail() == [
        "GET /containers/c/json",
        *(f"POST /containers/{CONTAINER}/{verb}" for verb in ("attach", "wait", "start")),
    ]


def test_logs(havre: Havre, daemon: FakeDaemon) -> None:
    headers = {"Content-Type": "application/vnd.docker.multiplexed-stream"}
    daemon.on("GET", "/containers/*/logs", chunks=[BOTH[:5], BOTH[5:]], headers=headers)
    done = havre(
        "logs", "-ft", "--details", "-n", "5", "--since", "2024-01-02T03:04:05.6Z", "--until", "1700000000", "c"
    )
    assert (done.code, done.out, done.err) == (0, "out\n", "err\n")
    assert daemon.requests[0].query == {
        "stdout": ["1"],
        "stderr": ["1"],
        "follow": ["1"],
        "timestamps": ["1"],
        "details": ["1"],
        "tail": ["5"],
        "since": ["1704164645.600000000"],
        "until": ["1700000000"],
    }


def test_logs_of_a_terminal_are_as_they_are(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/*/logs", chunks=[b"\x01\x02raw\r\n"], headers=RAW)
    assert havre("logs", "c").out == "\x01\x02raw\r\n"


@pytest.mark.parametrize("tty", [True, False])
def test_logs_of_a_daemon_that_does_not_say(havre: Havre, daemon: FakeDaemon, tty: bool) -> None:
    daemon.on("GET", "/containers/*/logs", chunks=[b"raw" if tty else frame(STDOUT, b"raw")])
    daemon.on("GET", "/containers/*/json", json={"Config": {"Tty": tty}})
    assert havre("logs", "c").out == "raw"


def test_a_daemon_that_dies_while_we_read(havre: Havre, daemon: FakeDaemon) -> None:
    def die() -> Iterator[bytes]:
        yield b"some"
        raise ConnectionResetError

    daemon.on("GET", "/containers/*/logs", chunks=die, headers=RAW)
    done = havre("logs", "c")
    assert (done.code, done.out) == (1, "some")
    assert done.err == "the daemon closed the connection in the middle of an answer\n"


def test_a_daemon_that_dies_while_we_wait(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    def die() -> Iterator[bytes]:
        yield b"\n"
        raise ConnectionResetError

    daemon.on("POST", "/containers/*/wait", chunks=die)
    done = havre("run", "busybox")
    assert done.code == 125
    assert done.err.startswith("error waiting for container: ")


def test_logs_refuses_a_bad_time(havre: Havre) -> None:
    done = havre("logs", "--since", "yesterday", "c")
    assert done.code == 1
    assert done.err.startswith('invalid value for "since": ')


def test_a_failure_the_daemon_reports_in_the_stream(havre: Havre, daemon: FakeDaemon) -> None:
    headers = {"Content-Type": "application/vnd.docker.multiplexed-stream"}
    daemon.on("GET", "/containers/*/logs", chunks=[frame(SYSTEMERR, b"log file gone")], headers=headers)
    done = havre("logs", "c")
    assert (done.code, done.err) == (1, "error from daemon in stream: log file gone\n")
