"""The real ``docker buildx`` and ``docker compose``, which ``scripts/setup --dev`` has unpacked, for the tests."""

from pathlib import Path

import pytest

from tests.system.programs import Program

PLUGINS = Path(__file__).resolve().parents[2] / ".plugins"


def with_plugins(docker: Program) -> Program:
    """The docker CLI, which then has both of them."""
    missing = [name for name in ("docker-buildx", "docker-compose") if not (PLUGINS / name).exists()]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not here (scripts/setup --dev could not fetch it)")
    folder = Path(docker.env["DOCKER_CONFIG"]) / "cli-plugins"
    folder.mkdir(parents=True)
    for plugin in PLUGINS.iterdir():
        (folder / plugin.name).symlink_to(plugin)
    return docker
