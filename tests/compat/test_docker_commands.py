"""The golden file of commands says what the docker CLI prints: held against the real one, which also writes it.

    HAVRE_REGENERATE=1 pytest tests/compat/test_docker_commands.py

Docker's own name in the texts is ours there; everything else is as it came.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import docker_cli_version
from tests.fakes.daemon import FakeDaemon
from tests.fakes.pty import Pty
from tests.fakes.world import fill, steady

DOCKER = shutil.which("docker")
GOLDEN = Path(__file__).parents[1] / "golden" / "cli" / "commands.json"

pytestmark = pytest.mark.skipif(
    not docker_cli_version().startswith("28.2."), reason="the golden file holds the words of docker CLI 28.2"
)


def ours(text: str, home: Path) -> str:
    """Docker's text with our name in it, and the same name for its home wherever that is."""
    text = steady(text.replace(str(home), "$HOME"))
    for theirs in ("docker: 'docker", "'docker ", "docker image ", "Usage:  docker ", "Docker Engine"):
        text = text.replace(theirs, theirs.replace("docker", "havre"))
    return text


def run(case: dict[str, Any], host: str, home: Path) -> dict[str, Any]:
    (home / "config.json").unlink(missing_ok=True)
    if "config" in case:
        (home / "config.json").write_text(json.dumps(case["config"]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
    done = subprocess.run(
        [DOCKER or "", *case["args"]],
        input=case.get("stdin", "").encode(),
        env={**kept, "DOCKER_HOST": host, "DOCKER_CONFIG": str(home), "TZ": "UTC"},
        capture_output=True,
        check=False,
    )
    out, err = (ours(stream.decode(), home) for stream in (done.stdout, done.stderr))
    return {**case, "code": done.returncode, "out": out, "err": err}


def test_docker_prints_what_the_golden_file_says(tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())
    home = tmp_path / "home"
    home.mkdir()
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        fill(daemon)
        real = [run(case, daemon.host, home) for case in golden]
    if os.environ.get("HAVRE_REGENERATE"):
        GOLDEN.write_text(json.dumps(real, indent=1, ensure_ascii=False) + "\n")
    else:
        assert golden == real


@pytest.mark.parametrize("columns", [80, 130])
def test_a_pull_on_a_terminal_is_drawn_as_dockers(tmp_path: Path, columns: int) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
    seen = []
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        fill(daemon)
        env = {**kept, "DOCKER_HOST": daemon.host, "HOME": str(tmp_path)}
        for program in ([DOCKER or ""], [sys.executable, "-m", "havre.cli.main"]):
            with Pty([*program, "pull", "busybox"], env, tmp_path, (24, columns)) as terminal:
                assert terminal.wait() == 0
                seen.append(terminal.seen)
    assert seen[0] == seen[1]
    assert b"[2K" in seen[0]
