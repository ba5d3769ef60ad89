"""The short container commands against a scripted daemon: what they ask, print and return."""

import threading
from typing import Any

import pytest
from tests.fakes.daemon import Answer, FakeDaemon
from tests.unit.cli.conftest import Havre

from havre.cli.commands.port import natural


def no_such(name: str) -> Answer:
    return Answer(404, json={"message": f"No such container: {name}"})


@pytest.mark.parametrize(
    ("argv", "path", "query"),
    [
        (["stop", "c"], "/containers/c/stop", {}),
        (["stop", "-t", "0", "-s", "INT", "c"], "/containers/c/stop", {"t": ["0"], "signal": ["INT"]}),
        (["restart", "-t", "-1", "c"], "/containers/c/restart", {"t": ["-1"]}),
        (["kill", "c"], "/containers/c/kill", {}),
        (["kill", "-s", "HUP", "c"], "/containers/c/kill", {"signal": ["HUP"]}),
        (["pause", "c"], "/containers/c/pause", {}),
        (["unpause", "c"], "/containers/c/unpause", {}),
        (["start", "c"], "/containers/c/start", {}),
        (["container", "stop", "c"], "/containers/c/stop", {}),
    ],
)
def test_commands_that_print_the_name(
    havre: Havre, daemon: FakeDaemon, argv: list[str], path: str, query: dict[str, list[str]]
) -> None:
    daemon.on("POST", path, status=204)
    done = havre(*argv)
    assert (done.code, done.out, done.err) == (0, "c\n", "")
    assert daemon.requests[0].query == query


@pytest.mark.parametrize("command", ["stop", "restart", "kill", "pause", "unpause", "rm"])
def test_one_that_fails_does_not_stop_the_others(havre: Havre, daemon: FakeDaemon, command: str) -> None:
    method = "DELETE" if command == "rm" else "POST"
    suffix = "" if command == "rm" else f"/{command}"
    for name, answer in (("a", no_such("a")), ("b", Answer(204)), ("c", Answer(409, json={"message": "busy"}))):
        daemon.on(method, f"/containers/{name}{suffix}", answer)
    done = havre(command, "a", "b", "c")
    assert done.code == 1
    assert done.out == "b\n"
    assert done.err == "Error response from daemon: No such container: a\nError response from daemon: busy\n"


def test_the_old_name_of_the_time_to_wait(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/c/stop", status=204)
    done = havre("stop", "--time", "5", "c")
    assert (done.code, done.out) == (0, "Flag --time has been deprecated, use --timeout instead\nc\n")
    assert daemon.requests[0].query == {"t": ["5"]}
    done = havre("stop", "--time", "5", "-t", "6", "c")
    assert (done.code, done.err) == (1, "conflicting options: cannot specify both --timeout and --time\n")


def test_stops_go_on_at_once(havre: Havre, daemon: FakeDaemon) -> None:
    together = threading.Barrier(3, timeout=30)
    daemon.on("POST", "/containers/*/stop", status=204, before=lambda _: together.wait())
    assert havre("stop", "a", "b", "c").out == "a\nb\nc\n"


def test_start_reports_each_failure(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/a/start", no_such("a"))
    daemon.on("POST", "/containers/b/start", status=304)
    done = havre("start", "a", "b")
    assert (done.code, done.out) == (1, "b\n")
    assert done.err == "Error response from daemon: No such container: a\nError: failed to start containers: a\n"


def test_start_attached_takes_one_container(havre: Havre) -> None:
    done = havre("start", "-a", "x", "y")
    assert (done.code, done.err) == (1, "you cannot start and attach multiple containers at once\n")


def test_no_daemon_ends_it_once(havre: Havre) -> None:
    done = havre("-H", "unix:///nowhere/x.sock", "stop", "a", "b")
    assert done.code == 1
    assert done.err == "Cannot connect to the havre daemon at unix:///nowhere/x.sock. Is the havre daemon running?\n"


def test_rm(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("DELETE", "/containers/*", status=204)
    assert havre("rm", "-fv", "/a").out == "/a\n"
    assert daemon.requests[0].path == "/containers/a"
    assert daemon.requests[0].query == {"force": ["1"], "v": ["1"]}


def test_rm_force_of_nothing_is_fine(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("DELETE", "/containers/*", no_such("a"))
    done = havre("rm", "-f", "a")
    assert (done.code, done.out, done.err) == (0, "", "Error response from daemon: No such container: a\n")
    assert havre("rm", "/").err == "container name cannot be empty\n"


def test_rename(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/old/rename", status=204)
    done = havre("rename", "old", "new")
    assert (done.code, done.out) == (0, "")
    assert daemon.requests[0].one("name") == "new"
    assert havre("rename", "old", " ").err == "Error: Neither old nor new names may be empty\n"


def test_names_are_quoted_on_the_way(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/*/kill", status=204)
    havre("kill", "a?b=c#d%")
    assert daemon.requests[0].path == "/containers/a%3Fb%3Dc%23d%25/kill"


def test_wait(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/a/wait", json={"StatusCode": 3})
    daemon.on("POST", "/containers/b/wait", json={"StatusCode": 0, "Error": {"Message": "lost it"}})
    done = havre("wait", "a", "b")
    assert (done.code, done.out, done.err) == (1, "3\n", "lost it\n")


def test_top(havre: Havre, daemon: FakeDaemon) -> None:
    rows = [["1", "sh -c a  b"], ["12345678901234567890", "x"]]
    daemon.on("GET", "/containers/c/top", json={"Titles": ["PID", "CMD"], "Processes": rows})
    done = havre("top", "c", "-o", "pid,cmd", "-f")
    assert daemon.requests[0].one("ps_args") == "-o pid,cmd -f"
    assert done.out.splitlines() == [
        "PID                    CMD",
        "1                      sh -c a  b",
        "12345678901234567890   x",
    ]


PORTS = {
    "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
    "9/udp": [{"HostIp": "127.0.0.1", "HostPort": "99"}],
    "443/tcp": None,
}


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        ([], "9/udp -> 127.0.0.1:99\n80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n"),
        (["80"], "0.0.0.0:8080\n[::]:8080\n"),
        (["9/udp"], "127.0.0.1:99\n"),
    ],
)
def test_port(havre: Havre, daemon: FakeDaemon, argv: list[str], out: str) -> None:
    daemon.on("GET", "/containers/c/json", json={"NetworkSettings": {"Ports": PORTS}})
    assert havre("port", "c", *argv).out == out


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("443", "Error: No public port '443' published for c"),
        ("81/udp", "Error: No public port '81/udp' published for c"),
        ("x", 'Error: invalid port (x): strconv.ParseUint: parsing "x": invalid syntax'),
        ("70000", 'Error: invalid port (70000): strconv.ParseUint: parsing "70000": value out of range'),
    ],
)
def test_port_that_is_not_published(havre: Havre, daemon: FakeDaemon, port: str, text: str) -> None:
    daemon.on("GET", "/containers/c/json", json={"NetworkSettings": {"Ports": PORTS}})
    done = havre("port", "c", port)
    assert (done.code, done.err) == (1, f"{text}\n")


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["80/tcp", "9/tcp", "443/tcp", "80/tcp -> a"], key=natural) == [
        "9/tcp",
        "80/tcp",
        "80/tcp -> a",
        "443/tcp",
    ]


@pytest.mark.parametrize(
    ("argv", "body"),
    [
        (["-m", "512m", "--memory-swap", "-1"], {"Memory": 512 << 20, "MemorySwap": -1}),
        (["--cpus", "1.5", "-c", "10"], {"NanoCpus": 1_500_000_000, "CpuShares": 10}),
        (["--pids-limit", "0"], {}),
        (["--restart", ""], {}),
        (["--restart", "on-failure:3"], {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
    ],
)
def test_update(havre: Havre, daemon: FakeDaemon, argv: list[str], body: dict[str, Any]) -> None:
    daemon.on("POST", "/containers/*/update", json={"Warnings": ["w"]})
    done = havre("update", *argv, "a", "b")
    assert (done.code, done.out) == (0, "a\nb\nw\nw\n")
    assert daemon.requests[0].json() == body


def test_update_of_nothing(havre: Havre) -> None:
    assert havre("update", "a").err == "you must provide one or more flags when using this command\n"
    assert "maximum retry count must be an integer" in havre("update", "--restart", "x:y", "a").err


def test_create_prints_the_id(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/create", status=201, json={"Id": "abc", "Warnings": ["w"]})
    done = havre("create", "--name", "n", "busybox", "sh")
    assert (done.code, done.out, done.err) == (0, "abc\n", "WARNING: w\n")
    daemon.on("POST", "/containers/create", status=409, json={"message": "taken"})
    done = havre("create", "busybox")
    assert (done.code, done.err) == (1, "Error response from daemon: taken\n")
    done = havre("create", "-v", "/a:", "busybox")
    assert done.code == 125
    assert done.err.endswith("Run 'havre create --help' for more information\n")
