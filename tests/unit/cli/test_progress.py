"""Progress: bars that are redrawn on a terminal, steps elsewhere, and failures in the middle."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.daemon import Answer, FakeDaemon
from tests.fakes.world import BROKEN_PULL, PULL, lines
from tests.unit.cli.conftest import Havre

from havre.cli.progress import Screen, bar


def shown(messages: list[dict[str, object]], *, terminal: bool, width: int = 80) -> str:
    out = io.StringIO()
    screen = Screen(out, terminal=terminal, width=width)
    for message in messages:
        screen.show(message)
    return out.getvalue()


DOWNLOADS = [
    {"id": "latest", "status": "Pulling"},
    {"id": "a", "status": "Waiting", "progressDetail": {}},
    {"id": "b", "status": "Waiting", "progressDetail": {}},
    {"id": "a", "status": "Downloading", "progressDetail": {"current": 500, "total": 1000}},
    {"status": "Done"},
    {"id": "a", "status": "Again", "progressDetail": {}},
]


def test_lines_of_a_terminal_are_redrawn_in_place() -> None:
    assert shown(DOWNLOADS, terminal=True) == (
        "latest: Pulling\n"
        "\n\x1b[1A\x1b[2K\ra: Waiting \r\x1b[1B"
        "\n\x1b[1A\x1b[2K\rb: Waiting \r\x1b[1B"
        "\x1b[2A\x1b[2K\ra: Downloading     500B/1kB\r\x1b[2B"
        "Done\n"
        "\n\x1b[1A\x1b[2K\ra: Again \r\x1b[1B"
    )


def test_elsewhere_only_the_steps_are_told() -> None:
    assert shown(DOWNLOADS, terminal=False) == "latest: Pulling\na: Waiting\nb: Waiting\nDone\na: Again\n"


@pytest.mark.parametrize(
    ("progress", "width", "text"),
    [
        ({}, 200, ""),
        ({"current": 1}, 200, "      1B"),
        ({"current": 3, "units": "s"}, 200, "3 s"),
        ({"current": 500, "total": 1000}, 80, "    500B/1kB"),
        ({"current": 500, "total": 1000}, 120, f"[{'=' * 25}>{' ' * 25}]     500B/1kB"),
        ({"current": 1000, "total": 1000}, 120, f"[{'=' * 50}>]      1kB/1kB"),
        ({"current": 2000, "total": 1000}, 120, f"[{'=' * 50}>]      2kB"),
        ({"current": 5, "total": 9, "units": "files"}, 80, "5/9 files"),
        ({"current": 5, "total": 9, "hidecounts": True}, 80, ""),
    ],
)
def test_bars(progress: dict[str, object], width: int, text: str) -> None:
    assert bar(progress, width) == text


@given(st.integers(-5, 10**15), st.integers(-5, 10**15), st.integers(0, 300))
def test_any_numbers_make_a_bar(current: int, total: int, width: int) -> None:
    assert "\n" not in bar({"current": current, "total": total, "start": 1}, width)


def test_a_failure_ends_the_pull(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/images/create", body=BROKEN_PULL)
    done = havre("pull", "busybox:1")
    assert (done.code, done.out, done.err) == (1, "latest: Pulling\n", "boom <x>\n")
    assert havre("pull", "-q", "busybox:1").err == "boom <x>\n"


def test_the_code_of_a_failure(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on(
        "POST",
        "/images/create",
        Answer(body=lines({"errorDetail": {"code": 401, "message": "no"}, "error": "no"})),
        Answer(body=lines({"errorDetail": {"code": 7, "message": "seven"}})),
        Answer(body=b'{"status":"x"}\n{"sta'),
    )
    assert havre("pull", "a:1").err == "authentication is required\n"
    assert havre("pull", "a:1").code == 7
    cut = havre("pull", "a:1")
    assert cut.code == 1 and "JSON" in cut.err


def test_a_pull_shows_steps_as_they_come_off_a_terminal(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/images/create", chunks=[PULL[i : i + 7] for i in range(0, len(PULL), 7)])
    done = havre("pull", "busybox")
    assert done.out.startswith(
        "Using default tag: latest\nlatest: Pulling from library/busybox\naaa: Pulling fs layer\n"
    )
    assert done.out.endswith("no newlinedocker.io/library/busybox:latest\n")


def test_credentials_go_along(havre: Havre, daemon: FakeDaemon) -> None:
    havre.config('{"auths": {"reg:5000": {"auth": "bWU6cHc="}}}')
    daemon.on("POST", "/images/create", body=b"")
    assert havre("pull", "reg:5000/x").code == 0
    assert "x-registry-auth" in daemon.requests[-1].headers
    assert havre("pull", "other:5000/x").code == 0
    assert "x-registry-auth" not in daemon.requests[-1].headers
