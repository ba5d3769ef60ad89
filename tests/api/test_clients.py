"""The real docker CLI and docker-py against the door, with a fake engine behind it."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from havre.engine.container.create import Created
from havre.engine.container.wait import ExitStatus
from havre.engine.streams import Duplex
from havre.errors import NotFound
from havre.wire import stdcopy
from tests.fakes.engine import FakeEngine, FakeSession

CONTAINER = "c" * 64

needs_docker = pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker CLI")


@dataclass
class Done:
    """What a client printed, and how it ended."""

    code: int
    out: str
    err: str


async def cli(socket: Path, *words: str, stdin: bytes = b"") -> Done:
    """Run the docker CLI."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(socket.parent)}
    process = await asyncio.create_subprocess_exec(
        "docker",
        *words,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    return Done(process.returncode or 0, out.decode(), err.decode())


async def echo(stream: Duplex) -> None:
    """What a container running ``cat`` does, with a word on stderr at the end."""
    while data := await stream.read():
        await stream.write(stdcopy.frame(stdcopy.STDOUT, data))
    await stream.write(stdcopy.frame(stdcopy.STDERR, b"done\n"))
    await stream.write_eof()
    stream.close()


class Steps:
    steps = ()


class Waiter:
    """The container ends when its session has."""

    def __init__(self, code: int) -> None:
        self.ended = asyncio.Event()
        self._code = code

    async def result(self) -> ExitStatus:
        await self.ended.wait()
        return ExitStatus(self._code)

    def cancel(self) -> None:
        pass


@pytest.fixture
def container(engine: FakeEngine) -> Waiter:
    """A container that echoes, exits with 3 and has no terminal."""
    waiter = Waiter(3)

    async def run(stream: Duplex) -> None:
        await echo(stream)
        waiter.ended.set()

    document = {"Id": CONTAINER, "Name": "/x", "Config": {"Tty": False, "OpenStdin": True}, "State": {"Running": True}}
    engine.answer("create.create", Created(CONTAINER, ()))
    engine.answer("listing.inspect", document)
    engine.answer("lifecycle.start", Steps())
    engine.answer("lifecycle.wait", waiter)
    engine.answer("attach.prepare", FakeSession(run))
    engine.answer("execs.create", "e" * 64)
    engine.answer("execs.prepare_start", FakeSession(echo))
    engine.answer("execs.inspect", {"ID": "e" * 64, "ExitCode": 5, "Running": False})
    return waiter


@needs_docker
async def test_cli_version(socket: Path, engine: FakeEngine) -> None:
    engine.answer("system.version", {"Version": "0.1", "ApiVersion": "1.51", "MinAPIVersion": "1.24", "Os": "linux"})
    done = await cli(socket, "version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}")
    assert (done.code, done.out) == (0, "0.1 1.51\n")


@needs_docker
async def test_cli_run(socket: Path, engine: FakeEngine, container: Waiter) -> None:
    done = await cli(socket, "run", "-i", "busybox", "cat", stdin=b"hello\n" * 10_000)
    assert (done.code, done.out, done.err) == (3, "hello\n" * 10_000, "done\n")


@needs_docker
async def test_cli_exec(socket: Path, engine: FakeEngine, container: Waiter) -> None:
    done = await cli(socket, "exec", "-i", "x", "cat", stdin=b"hello\n")
    assert (done.code, done.out, done.err) == (5, "hello\n", "done\n")


@needs_docker
async def test_cli_logs(socket: Path, engine: FakeEngine, container: Waiter) -> None:
    @dataclass
    class Log:
        tty: bool
        chunks: AsyncIterator[bytes]

    async def lines() -> AsyncIterator[bytes]:
        yield stdcopy.frame(stdcopy.STDOUT, b"out\n")
        yield stdcopy.frame(stdcopy.STDERR, b"err\n")

    engine.answer("logs.open", lambda **_: Log(False, lines()))
    done = await cli(socket, "logs", "--tail", "5", "--since", "1h", "x")
    assert (done.code, done.out, done.err) == (0, "out\n", "err\n")
    assert engine.asked("logs.open")[0]["options"].tail == 5


@needs_docker
async def test_cli_pull(socket: Path, engine: FakeEngine) -> None:
    engine.answer("images.pull", [{"status": "Pulling from library/busybox", "id": "latest"}, {"status": "Fine"}])
    done = await cli(socket, "pull", "busybox")
    assert (done.code, done.out.splitlines()[-3:]) == (
        0,
        ["latest: Pulling from library/busybox", "Fine", "docker.io/library/busybox:latest"],
    )


@needs_docker
async def test_cli_events(socket: Path, engine: FakeEngine) -> None:
    engine.events.publish("container", "start", CONTAINER, {"image": "busybox", "name": "x"})
    until = str(int(time.time()) + 1)
    done = await cli(socket, "events", "--since", "1h", "--until", until, "--format", "{{.Action}} {{.Actor.ID}}")
    assert (done.code, done.out) == (0, f"start {CONTAINER}\n")


@needs_docker
async def test_cli_shows_our_errors(socket: Path, engine: FakeEngine) -> None:
    engine.fail("listing.inspect", NotFound("No such container: nothing"))
    done = await cli(socket, "logs", "nothing")
    assert (done.code, done.err) == (1, "Error response from daemon: No such container: nothing\n")


@pytest.fixture
async def py(socket: Path, engine: FakeEngine) -> AsyncIterator[docker.DockerClient]:
    """A docker-py client; it blocks, so it is used in threads."""
    engine.answer("system.version", {"ApiVersion": "1.51", "MinAPIVersion": "1.24"})
    client = await asyncio.to_thread(docker.DockerClient, base_url=f"unix://{socket}", version="auto")
    yield client
    client.close()


async def test_py_negotiates(py: docker.DockerClient, engine: FakeEngine) -> None:
    assert await asyncio.to_thread(py.ping)


async def test_py_create_sends_null_everywhere(py: docker.DockerClient, engine: FakeEngine, container: Waiter) -> None:
    def create() -> Any:
        return py.containers.create("busybox", ["true"], ports={"80/tcp": 8080}, labels={"a": "b"}, detach=True)

    assert (await asyncio.to_thread(create)).id == CONTAINER
    asked = engine.asked("create.create")[0]
    assert asked["config"].cmd == ["true"] and asked["config"].labels == {"a": "b"}
    assert asked["host"].port_bindings["80/tcp"][0].host_port == "8080"


async def test_py_exec(py: docker.DockerClient, engine: FakeEngine, container: Waiter) -> None:
    """docker-py keeps its half of the connection open."""

    async def true(stream: Duplex) -> None:
        # It loses what comes in one packet with the headers; a real process takes longer than that.
        await asyncio.sleep(0.1)
        await stream.write(stdcopy.frame(stdcopy.STDOUT, b"done\n"))

    engine.answer("execs.prepare_start", FakeSession(true))

    def run() -> Any:
        return py.containers.get("x").exec_run(["true"])

    result = await asyncio.to_thread(run)
    assert result.exit_code == 5
    assert result.output == b"done\n"


async def test_py_attach_socket(py: docker.DockerClient, engine: FakeEngine, container: Waiter) -> None:
    def talk() -> bytes:
        attached = py.api.attach_socket("x", params={"stdin": 1, "stdout": 1, "stream": 1})
        attached._sock.sendall(b"hello")
        data: bytes = attached._sock.recv(100)
        attached._sock.close()
        return data

    assert await asyncio.to_thread(talk) == stdcopy.frame(stdcopy.STDOUT, b"hello")


async def test_py_events_and_errors(py: docker.DockerClient, engine: FakeEngine) -> None:
    engine.events.publish("image", "pull", "busybox", {"name": "busybox"})

    def first() -> Any:
        return next(py.events(since=1, decode=True))

    assert (await asyncio.to_thread(first))["Action"] == "pull"
    engine.fail("listing.inspect", NotFound("No such container: y"))
    with pytest.raises(docker.errors.NotFound, match="No such container: y"):
        await asyncio.to_thread(py.containers.get, "y")
