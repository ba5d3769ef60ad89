"""Fixtures of the system tests: a real daemon a worker, fresh ones on demand, and the clients bound to them.

With ``HAVRE_TEST_ENGINE=unix:///…`` the tests that only need an engine run against that one instead: against a dockerd,
to see that they ask for nothing Docker does not do.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import images
from tests.system.harness import BIN, Engine, Havred
from tests.system.programs import Program
from tests.system.registry import registry
from tests.system.residue import assert_clean

__all__ = ["registry"]

FOREIGN = os.environ.get("HAVRE_TEST_ENGINE", "")

NewDaemon = Callable[..., Havred]


@pytest.fixture(scope="session")
def _daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine that the tests of one worker share, with busybox loaded."""
    if FOREIGN:
        foreign = Engine(Path(FOREIGN.removeprefix("unix://")))
        foreign.spare()
        foreign.load(images.busybox().archive("busybox:latest"))
        yield foreign
        return
    daemon = Havred(tmp_path_factory.mktemp("havred"))
    try:
        daemon.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        yield daemon
    finally:
        daemon.close()
        assert_clean(daemon)


@pytest.fixture
def engine(_daemon: Engine) -> Iterator[Engine]:
    """The worker's shared engine. After each test its containers and volumes are removed, and nothing may be left."""
    yield _daemon
    _daemon.clean()
    if isinstance(_daemon, Havred):
        assert_clean(_daemon)


@pytest.fixture
def havred(engine: Engine) -> Havred:
    """The shared engine, for tests that only make sense with havred."""
    if not isinstance(engine, Havred):
        pytest.skip("needs havred, not a foreign engine")
    return engine


@pytest.fixture
def new_havred(tmp_path: Path) -> Iterator[NewDaemon]:
    """Makes daemons of the test's own, not started: ``new_havred(*flags)``. They are ended and checked afterwards."""
    made: list[Havred] = []

    def make(*flags: str) -> Havred:
        daemon = Havred(tmp_path / f"havred{len(made)}", *flags)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.close()
        assert_clean(daemon)


@pytest.fixture
def fresh_havred(new_havred: NewDaemon) -> Havred:
    """A running daemon of the test's own, with busybox loaded: to be killed, restarted, filled."""
    daemon = new_havred()
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    return daemon


def docker_for(engine: Engine, home: Path) -> Program:
    """The real docker CLI, bound to ``engine``, with a configuration directory of its own."""
    path = shutil.which("docker")
    if path is None:
        pytest.fail("there is no docker CLI on PATH (scripts/test provides one)")
    return Program(path, _environment(home, DOCKER_HOST=engine.host))


def havre_for(engine: Engine, home: Path) -> Program:
    """havre's own client, bound to ``engine``."""
    return Program(str(BIN / "havre"), _environment(home, HAVRE_HOST=engine.host))


def _environment(home: Path, **words: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "HAVRE_"))}
    return {**kept, "DOCKER_CONFIG": str(home / ".docker"), "HOME": str(home), "LC_ALL": "C.UTF-8", **words}


@pytest.fixture
def docker(engine: Engine, tmp_path: Path) -> Program:
    return docker_for(engine, tmp_path)


@pytest.fixture
def havre(engine: Engine, tmp_path: Path) -> Program:
    return havre_for(engine, tmp_path)


@pytest.fixture(params=["docker", "havre"])
def cli(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Program:
    """Both clients, one after the other: what is tested through it must be the same with each."""
    return docker_for(engine, tmp_path) if request.param == "docker" else havre_for(engine, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    root = tmp_path / "small"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", root], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", "-R", "-l", root], check=False)
