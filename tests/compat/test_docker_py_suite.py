"""docker-py's own integration tests against a havred: every test of theirs is a test here, under its own name."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat import docker_py_suite as suite
from tests.compat.docker_py_suite import Outcome
from tests.system.conftest import FOREIGN
from tests.system.harness import Havred
from tests.system.registry import Registry, free_port
from tests.system.residue import assert_clean

pytestmark = [pytest.mark.system, pytest.mark.timeout(960)]

CANNOT: dict[str, str] = {}
"""Those that cannot pass, and why; docs/compat.md lists them too. One that passes nevertheless is an error."""

Results = Callable[[str], dict[str, Outcome]]


@pytest.fixture(scope="module")
def results(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The outcomes of a file of theirs, which is run when it is asked for first."""
    directory = tmp_path_factory.mktemp("docker-py")
    suite.fill(registry)
    address = f"tcp://127.0.0.1:{free_port()}"
    daemon = Havred(directory / "havred", "--registry-mirror", f"http://{registry.host}", "--host", address)
    known: dict[str, dict[str, Outcome]] = {}

    def outcomes(file: str) -> dict[str, Outcome]:
        if file not in known:
            for archive in suite.archives():
                daemon.load(archive)
            known[file] = suite.run(file, address, directory)
            assert daemon.answers()
        return known[file]

    try:
        daemon.start()
        yield outcomes
    finally:
        daemon.close()
        assert_clean(daemon)


def cases() -> Iterator[object]:
    for file, name in suite.names():
        reason = CANNOT.get(f"{file}::{name}")
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        yield pytest.param(file, name, marks=marks, id=f"{file}-{name}")


def test_they_are_here() -> None:
    if not suite.TESTS.is_dir():
        assert os.environ.get("CI") != "true", f"{suite.TESTS} is missing: scripts/test fetches it"
        pytest.skip(f"{suite.TESTS} is not there: scripts/test fetches it")
    known = {f"{file}::{name}" for file, name in suite.names()}
    assert len(known) > 200 and set(CANNOT) <= known


@pytest.mark.skipif(bool(FOREIGN), reason="they prune: they get an engine of their own")
@pytest.mark.parametrize(("file", "name"), list(cases()))
def test_docker_py(results: Results, file: str, name: str) -> None:
    outcome = results(file)[name]
    if outcome.state == "skipped":
        pytest.skip(outcome.text)
    assert outcome.state == "passed", outcome.text


def test_compat_page_lists_them(repository: Path) -> None:
    page = (repository / "docs" / "compat.md").read_text()
    assert [name for name in CANNOT if name.rpartition("::")[2] not in page] == []
