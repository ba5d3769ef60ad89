"""What is measured: one function a row of the table, which takes one sample in seconds (or bytes).

Who comes in: ``bench.run``, which takes the samples of all engines in turn, so that what else the machine does hits
them alike. A row's ``prepare`` and ``tidy`` are not timed.
"""

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tests.system.harness import UnixConnection, wait_until

from bench.engines import Measured

Sample = Callable[[Measured], float]


class Subject(Protocol):
    """Who is measured: an engine, or a registry."""

    name: str

    def clean(self) -> None: ...


S = TypeVar("S", bound=Subject)


def nothing(_: Subject) -> None:
    """The default of ``prepare`` and ``between``."""


@dataclass(frozen=True, slots=True)
class Row(Generic[S]):
    """``limit`` is the largest ratio of havre's figure to the other's that the project allows itself; if it is
    ``absolute``, the largest figure, whatever the other's.
    """

    key: str
    title: str
    limit: float
    sample: Callable[[S], float]
    unit: str = "s"
    samples: int = 10
    prepare: Callable[[S], None] = nothing
    tidy: Callable[[S], None] = field(default=lambda subject: subject.clean())
    between: Callable[[S], None] = nothing
    """Runs after each sample, untimed."""
    absolute: bool = False


def cli(engine: Measured, *args: str) -> float:
    """Seconds that a docker CLI command takes; its output goes to /dev/null."""
    env = {**os.environ, "DOCKER_HOST": engine.host}
    start = time.perf_counter()
    subprocess.run(["docker", *args], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start


class Api:
    """One kept-open connection to an engine."""

    def __init__(self, engine: Measured) -> None:
        self._connection: http.client.HTTPConnection = UnixConnection(engine.socket, 120)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self._connection.getresponse()
        data = response.read()
        assert response.status < 400, (method, path, response.status, data[:300])
        return json.loads(data) if data else None

    def create(self, *command: str) -> str:
        return str(self("POST", "/containers/create", {"Image": "busybox", "Cmd": command})["Id"])


def life(engine: Measured) -> float:
    api = Api(engine)
    api("GET", "/version")
    start = time.perf_counter()
    id = api.create("true")
    api("POST", f"/containers/{id}/start")
    api("POST", f"/containers/{id}/wait")
    api("DELETE", f"/containers/{id}")
    return time.perf_counter() - start


def parallel_starts(engine: Measured) -> float:
    ids = [Api(engine).create("sleep", "1000") for _ in range(20)]
    threads = [threading.Thread(target=lambda id=id: Api(engine)("POST", f"/containers/{id}/start")) for id in ids]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def one_sleeper(engine: Measured) -> None:
    cli(engine, "run", "-d", "--name", "sleeper", "busybox", "sleep", "100000")


def twenty_sleepers(engine: Measured) -> None:
    for _ in range(20):
        cli(engine, "run", "-d", "busybox", "sleep", "100000")


def two_hundred(engine: Measured) -> None:
    api = Api(engine)
    for _ in range(200):
        api.create("true")


def listing(engine: Measured) -> float:
    api = Api(engine)
    api("GET", "/version")
    start = time.perf_counter()
    found = api("GET", "/containers/json?all=1")
    seconds = time.perf_counter() - start
    assert len(found) == 200
    return seconds


def chatter(engine: Measured) -> None:
    cli(engine, "run", "-d", "--name", "chatter", "busybox", "seq", "300000")
    cli(engine, "wait", "chatter")


def remove_bench_image(engine: Measured) -> None:
    """Back to before the sample; what it left to be written must not count against the next engine's, which syncs."""
    for image in engine.api("GET", "/images/json").json():
        if any("bench" in tag for tag in image["RepoTags"] or ()):
            engine.api("DELETE", f"/images/{image['Id']}?force=1")
    os.sync()


def changed_container(engine: Measured) -> None:
    """A container over the image of 12,000 files that runs and has changed some hundred of them, 16 MB in all."""
    change = (
        "cd /srv/small && rm -r 000 && mkdir 000 && chmod 700 001; "
        "for f in 002/* 003/* 004/*; do echo changed >>$f; done; "
        "mkdir -p /new/a/b && dd if=/dev/urandom of=/new/a/b/large bs=1M count=16 2>/dev/null; echo done; sleep 100000"
    )
    cli(engine, "run", "-d", "--name", "changed", "bench", "sh", "-c", change)
    wait_until(lambda: b"done" in engine.api("GET", "/containers/changed/logs?stdout=1").body, "the changes")
    os.sync()


def remove_committed(engine: Measured) -> None:
    """As ``remove_bench_image``, for what a sample has made."""
    engine.api("DELETE", "/images/committed")
    os.sync()


def memory(engine: Measured) -> float:
    return float(engine.memory())


def restart(engine: Measured) -> None:
    engine.stop()
    engine.start()
    wait_until(engine.answers, "the daemon")
    cli(engine, "ps", "-a")
    time.sleep(3)


def rows(archive: str, repeat: int) -> list[Row[Measured]]:
    """In the order they are measured. ``archive`` is the 217 MB image."""
    flood = ("busybox", "dd", "if=/dev/zero", "bs=1M", "count=256")
    return [
        Row("pss-idle", "daemon memory idle (PSS)", 0.6, memory, "MB", 3, prepare=restart),
        Row("pss-20", "daemon memory with 20 containers (PSS)", 0.6, memory, "MB", 3, prepare=twenty_sleepers),
        Row("run", "`docker run --rm busybox true`", 0.40, lambda e: cli(e, "run", "--rm", "busybox", "true"),
            samples=repeat),
        Row("run-port", "the same with `-p 127.0.0.1::80`", 0.35,
            lambda e: cli(e, "run", "--rm", "-p", "127.0.0.1::80", "busybox", "true"), samples=repeat),
        Row("api", "API create+start+wait+remove", 0.40, life, samples=repeat),
        Row("exec", "`docker exec c true`", 0.60, lambda e: cli(e, "exec", "sleeper", "true"), samples=repeat,
            prepare=one_sleeper),
        Row("parallel", "20 starts in parallel", 0.60, parallel_starts, samples=repeat,
            between=lambda engine: engine.clean()),
        Row("list", "`GET /containers/json?all=1`, 200 containers", 1.0, listing, samples=5 * repeat,
            prepare=two_hundred),
        Row("stdout", "256 MB through attached stdout (`--log-driver none`)", 1.0,
            lambda e: cli(e, "run", "--rm", "--log-driver", "none", *flood), samples=repeat),
        Row("stdout-logged", "the same with the default log driver", 1.0,
            lambda e: cli(e, "run", "--rm", *flood), samples=max(3, repeat // 3)),
        Row("logs", "reading 300,000 log lines", 0.7, lambda e: cli(e, "logs", "chatter"), samples=repeat,
            prepare=chatter),
        Row("load", "load of a 217 MB image", 0.7, lambda e: cli(e, "load", "-q", "-i", archive), samples=repeat,
            between=remove_bench_image),
        *file_rows(archive, repeat),
    ]  # fmt: skip


def file_rows(archive: str, repeat: int) -> list[Row[Measured]]:
    """Files out of and into one container, which stands on the 217 MB image (12,000 files) and has changed some."""

    def prepare(engine: Measured) -> None:
        cli(engine, "load", "-q", "-i", archive)
        changed_container(engine)

    def prepare_large(engine: Measured) -> None:
        prepare(engine)
        cli(engine, "cp", str(large), "changed:/out")
        os.sync()

    def tidy(engine: Measured) -> None:
        engine.clean()
        remove_bench_image(engine)
        (engine.root / "out").unlink(missing_ok=True)

    def row(
        key: str, title: str, limit: float, sample: Sample, prepare: Callable[[Measured], None] = prepare
    ) -> Row[Measured]:
        return Row(key, title, limit, sample, samples=repeat, prepare=prepare, tidy=tidy, between=remove_committed)

    large = Path(archive).with_name("bench-64-mb")
    if not large.exists():
        large.write_bytes(os.urandom(1 << 20) * 64)
    return [
        row("diff", "`docker diff` of a container over 12,000 files", 0.7, lambda e: cli(e, "diff", "changed")),
        row("export", "`docker export` of the same", 0.7, lambda e: cli(e, "export", "changed")),
        row("commit", "`docker commit` of the same", 0.7, lambda e: cli(e, "commit", "changed", "committed")),
        row("cp-in", "`docker cp` of 64 MB into a container", 1.0, lambda e: cli(e, "cp", str(large), "changed:/in")),
        row("cp-out", "`docker cp` of 64 MB out of one", 1.0,
            lambda e: cli(e, "cp", "changed:/out", str(e.root / "out")), prepare_large),
    ]  # fmt: skip
