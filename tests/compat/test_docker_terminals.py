"""On a terminal havre shows what the docker CLI shows, in the same places, and asks the daemon for the same."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import docker_cli_version
from tests.fakes import verbs, world
from tests.fakes.daemon import FakeDaemon, Stream
from tests.fakes.pty import Pty
from tests.fakes.twins import comparable, described, named

pytestmark = pytest.mark.skipif(
    not docker_cli_version().startswith("28.2."), reason="havre is held against docker CLI 28.2"
)
PROGRAMS = ([shutil.which("docker") or ""], [sys.executable, "-m", "havre.cli.main"])
RAW = {"Content-Type": "application/vnd.docker.raw-stream"}


def serve(stream: Stream) -> None:
    stream.send(b"hello\r\n")
    # The size of the terminal is told meanwhile.
    time.sleep(0.3)


def shown(
    directory: Path, argv: list[str], size: tuple[int, int], *, typed: bytes = b""
) -> list[tuple[int, str, list[str]]]:
    """For each program: its exit code, what stood on the terminal, what it asked for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
    seen = []
    with FakeDaemon(directory / "d.sock") as daemon:
        world.fill(daemon)
        verbs.fill(daemon)
        tty = {"Id": "tty", "State": {"Running": True}, "Config": {"Tty": True, "OpenStdin": True}, "HostConfig": {}}
        daemon.on("GET", "/containers/tty/json", json=tty)
        daemon.on("POST", "/containers/*/attach", hijack=serve, headers=RAW)
        daemon.on("POST", f"/exec/{verbs.EXEC}/start", hijack=serve, headers=RAW)
        env = {**kept, "DOCKER_HOST": daemon.host, "HOME": str(directory), "TZ": "UTC"}
        for program in PROGRAMS:
            with Pty([*program, *argv], env, directory, size) as terminal:
                if typed:
                    terminal.expect("[y/N]")
                    terminal.send(typed)
                code = terminal.wait()
            asked = comparable(argv, [described(request) for request in daemon.requests])
            daemon.requests.clear()
            seen.append((code, named(terminal.seen.decode()), sorted(asked)))
    return seen


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(
    "argv", [["kill", "--help"], ["ps", "-a"], ["pause", "web", "nope"], ["start", "web", "nope"], ["stats", "--help"]]
)
def test_any_width(tmp_path: Path, argv: list[str], columns: int) -> None:
    docker, ours = shown(tmp_path, argv, (24, columns))
    assert ours == docker


@pytest.mark.parametrize("typed", [b"n\n", b"y\n", b"\n", b"Yes\n", b"\x04"])
def test_prompts(tmp_path: Path, typed: bytes) -> None:
    docker, ours = shown(tmp_path, ["container", "prune"], (24, 80), typed=typed)
    assert ours == docker


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "-it", "--rm", "b"],
        ["run", "-t", "b"],
        ["run", "-dit", "b"],
        ["create", "-it", "b"],
        ["exec", "-it", "web", "x"],
        ["exec", "-dit", "detached", "x"],
        ["attach", "tty"],
        ["attach", "--no-stdin", "--detach-keys", "a", "tty"],
        ["start", "-ai", "tty"],
    ],
    ids=" ".join,
)
def test_attached(tmp_path: Path, argv: list[str]) -> None:
    docker, ours = shown(tmp_path, argv, (30, 100))
    assert ours == docker
    if argv[0] != "attach":
        assert any("ConsoleSize" in line or "/resize" in line for line in ours[2])
