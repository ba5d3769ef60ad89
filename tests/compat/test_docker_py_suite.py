"""docker-py's own integration tests against a havred: every test of theirs is a test here, under its own name."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.compat import docker_py_suite as suite
from tests.compat.docker_py_suite import Outcome
from tests.system.conftest import FOREIGN
from tests.system.harness import Havred
from tests.system.registry import Registry, free_port
from tests.system.residue import assert_clean

pytestmark = [pytest.mark.system, pytest.mark.timeout(960)]

_WORDS, _HUB = "words of dockerd before 25", "Docker Hub"
_SUBNET, _SWARM = "subnets as dockerd took them before 25", "docker swarm"
_CACHE = "the classic builder's own cache"
CANNOT = {
    "api_build_test::BuildTest::test_build_with_cache_from": _CACHE,
    "api_container_test::CreateContainerTest::test_create_with_restart_policy": _WORDS,
    "api_network_test::TestNetworks::test_connect_with_ipv6_address": _SUBNET,
    "api_network_test::TestNetworks::test_create_check_duplicate": _WORDS,
    "api_network_test::TestNetworks::test_create_inspect_network_with_scope": _SWARM,
    "api_network_test::TestNetworks::test_create_network_attachable": _SWARM,
    "api_network_test::TestNetworks::test_create_network_ingress": _SWARM,
    "api_network_test::TestNetworks::test_create_network_ipv6_enabled": _SUBNET,
    "api_network_test::TestNetworks::test_create_with_ipv6_address": _SUBNET,
    "errors_test::ErrorsTest::test_api_error_parses_json": _WORDS,
    "models_containers_test::ContainerCollectionTest::test_run_with_image_that_does_not_exist": _HUB,
    "models_containers_test::ContainerTest::test_exec_run_failed": _WORDS,
    "models_images_test::ImageCollectionTest::test_pull_with_sha": _HUB,
}
"""Those that cannot pass, and what they want; docs/compat.md says more. One that passes nevertheless is an error."""

RACY = {
    "api_build_test::BuildTest::test_build_out_of_context_dockerfile": "it reads the log at once after the start",
    "api_container_test::AttachContainerTest::test_attach_no_stream": "the library drops what comes with a head",
    "models_containers_test::ContainerTest::test_top": "it may look before runc has become the command",
}
"""Those that pass now and then, with dockerd too."""

Results = Callable[[str], dict[str, Outcome]]

# Two daemons side by side: they mostly wait, and what they prune would be each other's.
SHARES = (("api_container_test",), tuple(file for file in suite.FILES if file != "api_container_test"))


@pytest.fixture(scope="module")
def results(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The outcomes of a file of theirs. All are run, from the first question on."""
    directory = tmp_path_factory.mktemp("docker-py")
    suite.fill(registry)
    ready = {file: Future[dict[str, Outcome]]() for file in suite.FILES}
    with ThreadPoolExecutor(len(SHARES)) as threads:
        for number, files in enumerate(SHARES):
            threads.submit(_run, directory / str(number), registry, files, ready)
        yield lambda file: ready[file].result()


def _run(directory: Path, registry: Registry, files: tuple[str, ...], ready: dict[str, Future[Any]]) -> None:
    try:
        _run_all(directory, registry, files, ready)
    except BaseException as error:
        for file in files:
            if not ready[file].done():
                ready[file].set_exception(error)
        raise


def _run_all(directory: Path, registry: Registry, files: tuple[str, ...], ready: dict[str, Future[Any]]) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    daemon = Havred(directory, "--registry-mirror", f"http://{registry.host}", "--host", address)
    last: dict[str, Outcome] = {}
    try:
        daemon.start()
        for file in files:
            for archive in suite.archives():
                daemon.load(archive)
            outcomes = suite.run(file, address, directory)
            assert daemon.answers()
            if file == files[-1]:
                last = outcomes
            else:
                ready[file].set_result(outcomes)
    finally:
        daemon.close()
        assert_clean(daemon)
    # The last of them only now: something left behind is a failure too.
    ready[files[-1]].set_result(last)


def cases() -> Iterator[object]:
    for file, name in suite.names():
        key = f"{file}::{name}"
        reason = CANNOT.get(key) or RACY.get(key)
        marks = [pytest.mark.xfail(strict=key in CANNOT, reason=reason)] if reason else []
        yield pytest.param(file, name, marks=marks, id=f"{file}-{name}")


def test_they_are_here() -> None:
    if not suite.TESTS.is_dir():
        assert os.environ.get("CI") != "true", f"{suite.TESTS} is missing: scripts/test fetches it"
        pytest.skip(f"{suite.TESTS} is not there: scripts/test fetches it")
    known = {f"{file}::{name}" for file, name in suite.names()}
    assert len(known) > 200 and set(CANNOT) | set(RACY) <= known


@pytest.mark.skipif(bool(FOREIGN), reason="they prune: they get an engine of their own")
@pytest.mark.parametrize(("file", "name"), list(cases()))
def test_docker_py(results: Results, file: str, name: str) -> None:
    outcome = results(file)[name]
    if outcome.state == "skipped":
        pytest.skip(outcome.text)
    assert outcome.state == "passed", outcome.text


def test_compat_page_lists_them(repository: Path) -> None:
    page = (repository / "docs" / "compat.md").read_text()
    assert [name for name in (*CANNOT, *RACY) if name.rpartition("::")[2] not in page] == []
