"""Commands on a real pseudo-terminal: raw mode and back, sizes, detach keys, signals."""

import json
import signal
from collections.abc import Callable

import pytest
from tests.fakes.daemon import FakeDaemon, Stream
from tests.fakes.pty import Pty
from tests.unit.cli.conftest import CONTAINER, Container, Havre


def shell(stream: Stream) -> None:
    """Prompts, echoes in brackets, ends at ``q``."""
    stream.send(b"$ ")
    while data := stream.recv():
        stream.send(b"[" + data + b"]")
        if data.endswith(b"q"):
            return


@pytest.fixture
def terminal(daemon: FakeDaemon) -> Container:
    made = Container(daemon, tty=True, code=5)
    made.serve(shell)
    return made


def sizes(daemon: FakeDaemon, path: str = "/containers/*/resize") -> list[tuple[str | None, str | None]]:
    return [(request.one("h"), request.one("w")) for request in daemon.asked("POST", path)]


def wait_for(condition: Callable[[], object], pty: Pty) -> None:
    for _ in range(600):
        if condition():
            return
        pty._read(0.05)
    raise AssertionError(f"it never came; seen: {pty.seen!r}")


def test_run_it(havre: Havre, daemon: FakeDaemon, terminal: Container) -> None:
    with havre.on_terminal("run", "-it", "busybox", size=(33, 99)) as pty:
        pty.expect("$ ")
        assert pty.mode() != pty.mode_before
        pty.send(b"\x03\x04\r")
        pty.expect("[\x03\x04\r]")
        wait_for(lambda: ("33", "99") in sizes(daemon), pty)
        pty.resize(44, 111)
        wait_for(lambda: ("44", "111") in sizes(daemon), pty)
        pty.send(b"q")
        assert pty.wait() == 5
        assert pty.mode() == pty.mode_before
        assert b"\r\n" not in pty.seen
    assert daemon.requests[0].json()["HostConfig"]["ConsoleSize"] == [33, 99]


def test_output_is_not_processed_twice(havre: Havre, terminal: Container) -> None:
    terminal.serve(lambda s: s.send(b"a\nb\r\n"))
    with havre.on_terminal("run", "-it", "busybox") as pty:
        pty.wait()
        assert pty.seen == b"a\nb\r\n"


@pytest.mark.parametrize(
    ("flags", "config", "keys"),
    [([], "{}", b"\x10\x11"), (["--detach-keys", "ctrl-a,z"], "{}", b"\x01z"), ([], '{"detachKeys": "x,y"}', b"xy")],
)
def test_detaching_leaves_it_running(
    havre: Havre, daemon: FakeDaemon, terminal: Container, flags: list[str], config: str, keys: bytes
) -> None:
    havre.config(config)
    with havre.on_terminal("run", "-it", *flags, "busybox") as pty:
        pty.expect("$ ")
        pty.send(b"ab")
        pty.expect("ab")
        pty.send(keys[:1])
        pty.send(keys[1:])
        assert pty.wait() == 0
        assert pty.mode() == pty.mode_before
    wanted = flags[1] if flags else json.loads(config).get("detachKeys")
    assert daemon.asked("POST", "/containers/*/attach")[0].one("detachKeys") == wanted


def test_a_half_typed_sequence_goes_through(havre: Havre, terminal: Container) -> None:
    with havre.on_terminal("run", "-it", "busybox") as pty:
        pty.expect("$ ")
        pty.send(b"\x10x\x10\x10q")
        pty.expect("q]")
        assert pty.wait() == 5
        assert pty.seen.replace(b"][", b"") == b"$ [\x10x\x10\x10q]"


def test_unknown_detach_keys_fall_back(havre: Havre, terminal: Container) -> None:
    with havre.on_terminal("run", "-it", "--detach-keys", "ctrl-é", "busybox") as pty:
        pty.expect("invalid detach escape keys")
        pty.expect("$ ")
        pty.send(b"\x10\x11")
        assert pty.wait() == 0


def test_attach(havre: Havre, daemon: FakeDaemon, terminal: Container) -> None:
    with havre.on_terminal("attach", "c", size=(20, 70)) as pty:
        pty.expect("$ ")
        wait_for(lambda: sizes(daemon)[-1:] == [("20", "70")], pty)
        assert sizes(daemon)[0] == ("21", "71")
        pty.send(b"q")
        assert pty.wait() == 5


@pytest.mark.parametrize("command", [["attach", "c"], ["exec", "-it", "c", "sh"]])
def test_detaching_from_attach_and_exec(
    havre: Havre, daemon: FakeDaemon, terminal: Container, command: list[str]
) -> None:
    daemon.on("POST", "/containers/*/exec", status=201, json={"Id": "e1"})
    daemon.on("POST", "/exec/*/start", hijack=shell, headers={"Content-Type": "application/vnd.docker.raw-stream"})
    daemon.on("POST", "/exec/*/resize", status=200)
    with havre.on_terminal(*command) as pty:
        pty.expect("$ ")
        pty.send(b"\x10\x11")
        assert pty.wait() == 1
        assert pty.seen.endswith(b"read escape sequence\r\n")
        assert pty.mode() == pty.mode_before


def test_exec_tells_the_size_until_the_process_is_there(havre: Havre, daemon: FakeDaemon) -> None:
    from tests.fakes.daemon import Answer

    daemon.on("POST", "/containers/*/exec", status=201, json={"Id": "e1"})
    daemon.on("POST", "/exec/*/start", hijack=shell, headers={"Content-Type": "application/vnd.docker.raw-stream"})
    daemon.on("POST", "/exec/*/resize", Answer(409, json={"message": "not yet"}), Answer(500), Answer(200))
    daemon.on("GET", "/exec/*/json", json={"ExitCode": 7})
    with havre.on_terminal("exec", "-it", "c", "sh", size=(30, 90)) as pty:
        pty.expect("$ ")
        wait_for(lambda: len(sizes(daemon, "/exec/*/resize")) == 3, pty)
        pty.send(b"q")
        assert pty.wait() == 7
    assert daemon.asked("POST", "/containers/*/exec")[0].json()["ConsoleSize"] == [30, 90]
    assert daemon.asked("POST", "/exec/*/start")[0].json() == {"Detach": False, "Tty": True, "ConsoleSize": [30, 90]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_restores_the_terminal(havre: Havre, terminal: Container, number: signal.Signals) -> None:
    with havre.on_terminal("attach", "c") as pty:
        pty.expect("$ ")
        pty.process.send_signal(number)
        assert pty.wait() == 128 + number
        assert pty.mode() == pty.mode_before


def test_run_forwards_signals_on_a_terminal_too(havre: Havre, daemon: FakeDaemon, terminal: Container) -> None:
    with havre.on_terminal("run", "-it", "busybox") as pty:
        pty.expect("$ ")
        pty.process.send_signal(signal.SIGTERM)
        wait_for(lambda: daemon.asked("POST", "/containers/*/kill"), pty)
        pty.send(b"q")
        assert pty.wait() == 5
    assert daemon.asked("POST", "/containers/*/kill")[0].path == f"/containers/{CONTAINER}/kill"


def test_start_ai(havre: Havre, daemon: FakeDaemon, terminal: Container) -> None:
    with havre.on_terminal("start", "-ai", "c") as pty:
        pty.expect("$ ")
        pty.send(b"q")
        assert pty.wait() == 5
    assert daemon.trail()[:4] == [
        "GET /containers/c/json",
        *(f"POST /containers/{CONTAINER}/{verb}" for verb in ("attach", "wait", "start")),
    ]


def test_a_failing_daemon_leaves_the_terminal_as_it_was(havre: Havre, daemon: FakeDaemon, terminal: Container) -> None:
    daemon.on("POST", "/containers/*/start", status=500, json={"message": "no"})
    terminal.serve(Stream.read_all)
    with havre.on_terminal("run", "-it", "busybox") as pty:
        assert pty.wait() == 125
        assert pty.mode() == pty.mode_before
        assert b"havre: Error response from daemon: no\r\n" in pty.seen
