"""What the CLI's tests share: a scripted daemon, and the program run against it as a process."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.daemon import FakeDaemon, Stream
from tests.fakes.pty import Pty

PROGRAM = [sys.executable, "-m", "havre.cli.main"]
CONTAINER = "c0" * 32


@dataclass(frozen=True)
class Done:
    """A finished command: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@dataclass
class Havre:
    """Runs ``havre`` against one daemon, with a home of its own: ``havre("ps", "-q")``."""

    daemon: FakeDaemon
    home: Path
    cwd: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
        return {**kept, "HOME": str(self.home), "HAVRE_HOST": self.daemon.host, **more}

    def __call__(self, *argv: str, stdin: bytes | None = b"", env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [*PROGRAM, *argv],
            input=stdin,
            capture_output=True,
            env=self.environment(**(env or {})),
            cwd=self.cwd,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *argv: str, **how: object) -> "subprocess.Popen[bytes]":
        """The same without waiting for the end; ``how`` goes to Popen."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen([*PROGRAM, *argv], env=self.environment(), cwd=self.cwd, **streams)  # type: ignore[call-overload]

    def on_terminal(self, *argv: str, size: tuple[int, int] = (24, 80)) -> Pty:
        """The program on a pseudo-terminal."""
        return Pty([*PROGRAM, *argv], self.environment(), self.cwd, size)

    def config(self, text: str) -> Path:
        """Write ``~/.docker/config.json``."""
        path = self.home / ".docker" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "d.sock") as fake:
        yield fake


@pytest.fixture
def havre(daemon: FakeDaemon, tmp_path: Path) -> Havre:
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    home.mkdir()
    cwd.mkdir()
    return Havre(daemon, home, cwd)


class Container:
    """The script of one container on the fake daemon: it lives from start until its attached stream's
    ``serve`` returns.
    """

    def __init__(self, daemon: FakeDaemon, *, tty: bool = False, code: int = 0) -> None:
        self.ended = threading.Event()
        kind = "application/vnd.docker.raw-stream" if tty else "application/vnd.docker.multiplexed-stream"
        self._daemon = daemon
        self._headers = {"Content-Type": kind}
        self.code = code
        daemon.on("POST", "/containers/create", status=201, json={"Id": CONTAINER, "Warnings": []})
        daemon.on("POST", "/containers/*/wait", chunks=self._wait)
        daemon.on("POST", "/containers/*/start", status=204)
        daemon.on("POST", "/containers/*/kill", status=204)
        daemon.on("POST", "/containers/*/resize", status=200)
        daemon.on(
            "GET",
            "/containers/*/json",
            json={
                "Id": CONTAINER,
                "Config": {"Tty": tty, "OpenStdin": True},
                "State": {"Running": True},
                "HostConfig": {"AutoRemove": False},
            },
        )
        self.serve(lambda stream: None)

    def serve(self, serve: Callable[[Stream], object]) -> None:
        """What the container does with its streams."""

        def run(stream: Stream) -> None:
            serve(stream)
            self.ended.set()

        self._daemon.on("POST", "/containers/*/attach", hijack=run, headers=self._headers)

    def _wait(self) -> Iterator[bytes]:
        yield b"\n"
        assert self.ended.wait(30)
        yield b'{"StatusCode": %d}' % self.code


@pytest.fixture
def container(daemon: FakeDaemon) -> Container:
    return Container(daemon)
