"""Every Dockerfile of ``tests/dockerfiles`` built by the docker CLI: its files, its configuration, what it says."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.system.debian import debian
from tests.system.dockerfiles import Case, cases
from tests.system.harness import Engine, Havred
from tests.system.programs import Program

CLASSIC = {"DOCKER_BUILDKIT": "0"}


@pytest.mark.timeout(300)  # some install packages
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_dockerfile(case: Case, engine: Engine, docker: Program, tmp_path: Path) -> None:
    if not isinstance(engine, Havred) and not case.body.get("classic"):
        pytest.skip("the classic builder does not have the language of this one")
    if case.body.get("debian") and docker("image", "inspect", "havre-test-debian", code=None).code:
        engine.load(debian().archive("havre-test-debian:latest"))
    directory, name = tmp_path / "context", f"havre-test-built-{case.name}"
    case.write(directory)
    if base := case.body.get("base"):
        docker("build", "-t", base["name"], "-", stdin=base["dockerfile"], env=CLASSIC)
    build = ["build", "-t", name, *case.flags(directory), str(directory)]
    docker(*build, env=CLASSIC, timeout=280)
    identity = docker("image", "inspect", "-f", "{{.Id}}", name).out
    if "files" in case.body or "absent" in case.body:
        with tarfile.open(fileobj=io.BytesIO(_exported(docker, name))) as image:
            assert case.wrong(image) == []
    config = json.loads(docker("image", "inspect", "-f", "{{json .Config}}", name).out)
    wanted = case.body.get("config", {})
    assert {key: config.get(key) for key in wanted} == wanted
    assert not any(config.get(key) for key in case.body.get("unset", []))
    if run := case.body.get("run"):
        assert docker("run", "--rm", name, *run["command"]).out == run["output"]
    # The same again is the same image, and nothing is done for it.
    docker(*build, env=CLASSIC)
    assert docker("image", "inspect", "-f", "{{.Id}}", name).out == identity
    docker("rmi", name)


def _exported(docker: Program, image: str) -> bytes:
    container = docker("create", image, "none").out.strip()
    try:
        command = [docker.path, "export", container]
        return subprocess.run(command, env=docker.env, check=True, capture_output=True, timeout=60).stdout
    finally:
        docker("rm", container)
