"""The real ``docker buildx`` and ``docker compose``, which ``scripts/setup --dev`` has unpacked, for the tests."""

from pathlib import Path

import pytest

from tests.system.buildcontexts import DiskContext
from tests.system.programs import Output, Program

PLUGINS = Path(__file__).resolve().parents[2] / ".plugins"
PROGRAMS = ("docker-buildx", "docker-compose")


def with_plugins(docker: Program) -> Program:
    """The docker CLI, which then has both of them."""
    missing = [name for name in PROGRAMS if not (PLUGINS / name).exists()]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not here (scripts/setup --dev has them for amd64 only)")
    folder = Path(docker.env["DOCKER_CONFIG"]) / "cli-plugins"
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        (folder / name).symlink_to(PLUGINS / name)
    return docker


class Bench(DiskContext):
    """A context on disk, and ``docker buildx build`` of it."""

    def __init__(self, directory: Path, docker: Program) -> None:
        super().__init__(directory)
        self.docker = docker

    def build(self, dockerfile: str, *flags: str, code: int | None = 0) -> Output:
        self.write({"Dockerfile": dockerfile})
        words = ("buildx", "build", "--progress", "plain", *flags)
        return self.docker(*words, str(self.directory), code=code)

    def run(self, image: str, *words: str) -> str:
        return self.docker("run", "--rm", image, *words).out


def cached(said: Output, step: str) -> bool:
    """Whether the step of these first words was taken from the cache."""
    number = next(line.split()[0] for line in said.err.splitlines() if f"] {step} " in line)
    return f"{number} CACHED" in said.err.splitlines()
