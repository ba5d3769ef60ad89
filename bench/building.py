"""Builds, by the docker CLI and the classic endpoint: what a context costs, what steps cost, what goes side by side.

The context is the same for both engines, and so are the bytes of the base image.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engines import Measured
from bench.rows import Row

_FILES, _FILE = 1_000, 2_000
_BIG = 200 << 20
_STEPS = """FROM busybox
COPY . /src
RUN find /src -type f | wc -l > /count
WORKDIR /work
RUN cp /count ./count
"""
_STAGES = """FROM busybox AS one
ARG ONCE
RUN sleep 5; echo $ONCE > /one
FROM busybox AS two
ARG ONCE
RUN sleep 5; echo $ONCE > /two
FROM busybox
COPY --from=one /one /
COPY --from=two /two /
"""


class Contexts:
    """The directories that are built from, made once for all engines and taken away with the last of them."""

    def __init__(self) -> None:
        self._users = 0
        self.directory = Path()

    def prepare(self, engine: Measured) -> None:
        self._users += 1
        if self._users == 1:
            self.directory = Path(tempfile.mkdtemp(prefix="hb-build-", dir="/var/tmp"))
            small, big = self.directory / "small", self.directory / "big"
            generator = random.Random(1)
            for number in range(_FILES):
                path = small / f"{number // 50}" / f"{number}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(generator.randbytes(_FILE))
            (small / "Dockerfile").write_text(_STEPS)
            big.mkdir()
            (big / "data").write_bytes(generator.randbytes(_BIG))
            (big / "Dockerfile").write_text("FROM busybox\nCOPY data /data\n")
            (self.directory / "stages").mkdir()
            (self.directory / "stages" / "Dockerfile").write_text(_STAGES)
        build(engine, self.directory / "small")

    def tidy(self, engine: Measured) -> None:
        engine.clean()
        self._users -= 1
        if not self._users:
            shutil.rmtree(self.directory)


def build(engine: Measured, context: Path, *flags: str) -> float:
    """Seconds that a build takes."""
    env = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0"}
    start = time.perf_counter()
    done = subprocess.run(["docker", "build", "-q", *flags, str(context)], env=env, capture_output=True)
    took = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return took


def rows(repeat: int) -> list[Row[Measured]]:
    """Everything that is measured of builds."""
    contexts = Contexts()

    def row(key: str, title: str, limit: float, context: str, *flags: str, **more: Any) -> Row[Measured]:
        def sample(engine: Measured) -> float:
            once = ["--build-arg", f"ONCE={time.time()}"] if context == "stages" else []
            return build(engine, contexts.directory / context, *flags, *once)

        return Row(key, title, limit, sample, prepare=contexts.prepare, tidy=contexts.tidy, **more)

    few = max(repeat // 3, 1)
    return [
        row("build-cached", "`docker build` (classic) of 1,000 files, all in the cache", 0.3, "small", samples=repeat),
        row("build", "the same with `--no-cache`: 4 steps", 0.5, "small", "--no-cache", samples=repeat),
        row("build-stages", "two independent stages of 5 s", 6.5, "stages", samples=1, absolute=True),
        row("build-copy", "`COPY` of 200 MB", 0.7, "big", "--no-cache", samples=few),
    ]
