"""Commands that go on: events as they come, stats that are redrawn, prompts."""

import signal
import threading
from collections.abc import Iterator

from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import EVENTS, STATS, fill, lines
from tests.unit.cli.conftest import Havre


def test_events_are_printed_as_they_come(havre: Havre, daemon: FakeDaemon) -> None:
    first, second, _ = EVENTS.splitlines(keepends=True)
    seen = threading.Event()

    def stream() -> Iterator[bytes]:
        yield first
        assert seen.wait(30)
        yield second[:20]
        yield second[20:]

    daemon.on("GET", "/events", chunks=stream)
    process = havre.start("events", "--format", "{{.Type}} {{.Action}}")
    assert process.stdout is not None
    assert process.stdout.readline() == b"container start\n"
    seen.set()
    assert process.communicate(timeout=30)[0] == b"network connect\n"
    assert process.returncode == 0


def test_events_end_with_an_interrupt(havre: Havre, daemon: FakeDaemon) -> None:
    done = threading.Event()

    def stream() -> Iterator[bytes]:
        yield EVENTS.splitlines(keepends=True)[0]
        done.wait(30)

    daemon.on("GET", "/events", chunks=stream)
    process = havre.start("events")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    done.set()
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_stats_are_redrawn_until_the_container_ends(havre: Havre, daemon: FakeDaemon) -> None:
    drawn = threading.Event()

    def stream() -> Iterator[bytes]:
        yield lines(STATS)
        assert drawn.wait(30)

    daemon.on("GET", "/containers/web/stats", chunks=stream)
    process = havre.start("stats", "web")
    assert process.stdout is not None
    seen = b""
    while seen.count(b"\x1b[H") < 2:
        piece = process.stdout.read1(4096)  # type: ignore[attr-defined]
        assert piece
        seen += piece
    drawn.set()
    rest, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert seen.startswith(b"\x1b[2J\x1b[HCONTAINER ID   NAME")
    assert b"web       4.00%     9MiB / 8GiB" in seen
    assert (seen + rest).endswith(b"\x1b[J")


def test_stats_of_all_follow_what_comes_and_goes(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    one, two = ({**STATS, "id": letter * 64, "name": f"/{letter}"} for letter in "ab")
    daemon.on("GET", f"/containers/{'a' * 12}/stats", chunks=lambda: iter([lines(one)]))
    daemon.on("GET", f"/containers/{'b' * 12}/stats", chunks=lambda: iter([lines(two)]))
    daemon.on("GET", "/containers/json", json=[{"Id": "a" * 64}])
    process = havre.start("stats")
    assert process.stdout is not None
    seen = b""
    while b"aaaaaaaaaaaa   a " not in seen:
        seen += process.stdout.read1(4096)  # type: ignore[attr-defined]
    daemon.on("GET", "/containers/json", json=[{"Id": "b" * 64}])
    while b"bbbbbbbbbbbb   b " not in seen:
        seen += process.stdout.read1(4096)  # type: ignore[attr-defined]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_stats_stream_that_breaks_shows_dashes(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/web/stats", body=b"<html>")
    done = havre("stats", "--no-stream", "web")
    assert done.code == 1 and "Expecting value" in done.err


def test_a_daemon_without_stats_is_no_table_of_dashes(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/json", json=[{"Id": "a" * 64}, {"Id": "b" * 64}])
    daemon.on("GET", "/containers/*/stats", status=501, json={"message": "no stats yet"})
    for argv in (["stats"], ["stats", "--no-stream"], ["stats", "--no-stream", "web", "db"]):
        done = havre(*argv)
        assert (done.code, done.out, done.err) == (1, "", "Error response from daemon: no stats yet\n")


def test_an_interrupted_prompt_deletes_nothing(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    with havre.on_terminal("container", "prune") as terminal:
        terminal.expect("[y/N] ")
        terminal.send(b"\x03")
        assert terminal.wait() == 130
    assert daemon.requests == []


def test_a_prompt_answered_on_a_terminal(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    with havre.on_terminal("image", "prune", "-a") as terminal:
        terminal.expect("[y/N] ")
        terminal.send(b"Y\n")
        terminal.expect("Total reclaimed space: 99B")
        assert terminal.wait() == 0
