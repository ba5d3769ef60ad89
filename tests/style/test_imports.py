"""The client is cheap to start, and a room is cheap to enter: what a command imports, seen through ``sys.modules``."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.daemon import FakeDaemon

HEAVY = ["asyncio", "aiohttp", "msgspec", "http.client", "email", "sqlite3", "ssl"]
SCRIPT = """
import sys
from havre.cli.main import main
sys.argv = ["havre", *sys.argv[1:]]
try:
    code = main()
except SystemExit as done:
    code = done.code
import ast
import json
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def modules_after(*args: str, host: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "-H", host, *args], capture_output=True, text=True, check=True, timeout=60
    )
    report = json.loads(done.stderr.splitlines()[-1])
    assert not report["code"], done
    return set(report["modules"])


@pytest.mark.parametrize("command", [["ps"], ["ps", "-a", "--format", "json"], ["images"]])
def test_a_command_imports_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        daemon.on("GET", "/containers/json", json=[])
        daemon.on("GET", "/images/json", json=[])
        loaded = modules_after(*command, host=f"unix://{tmp_path / 'd.sock'}")
    assert {"havre.cli.main"} <= loaded
    assert not loaded & set(HEAVY)
    rooms = ("engine", "image", "network", "runtime", "volume", "logs", "store", "kernel", "api", "daemon")
    assert not loaded & {f"havre.{room}" for room in rooms}


def test_a_command_imports_only_itself(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        daemon.on("GET", "/containers/json", json=[])
        loaded = modules_after("ps", host=f"unix://{tmp_path / 'd.sock'}")
    commands = {module for module in loaded if module.startswith("havre.cli.commands.")}
    assert len(commands) <= 2, commands


WHO_MAY = {
    "ctypes": ["kernel"],
    "sqlite3": ["store"],
    "aiohttp": ["api", "daemon", "registry", "image/remote", "volume/plugins", "client/aio"],
    "aiobotocore": ["registry/storages/s3.py"],
    "botocore": ["registry/storages/s3.py"],
    "msgspec": [
        *("api", "daemon", "engine", "image", "network", "runtime", "volume", "logs", "store", "kernel", "wire"),
        *("builder", "registry"),
    ],
    "asyncio": [
        *("api", "daemon", "engine", "image", "network", "runtime", "volume", "logs", "store", "kernel"),
        *("client/aio", "lib/tasks.py", "lib/turns.py", "lib/relay.py", "builder", "registry"),
    ],
}  # fmt: skip
"""Which parts of ``src/havre`` may import a library; the contracts in pyproject.toml cannot say it of single files."""


@pytest.mark.parametrize("library", WHO_MAY)
def test_only_these_rooms_import(library: str) -> None:
    source = REPOSITORY / "src" / "havre"
    offenders = []
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source).as_posix()
        if place.startswith(tuple(WHO_MAY[library])):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            offenders += [place for name in names if name.split(".")[0] == library]
    assert not offenders
