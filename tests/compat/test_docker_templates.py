"""The golden file of templates says what the docker CLI prints: held against the real one, which also writes it.

HAVRE_REGENERATE=1 pytest tests/compat/test_docker_templates.py
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import docker_cli_version
from tests.fakes.daemon import FakeDaemon

DOCKER = shutil.which("docker")
GOLDEN = Path(__file__).parents[1] / "golden" / "cli" / "templates.json"

pytestmark = pytest.mark.skipif(
    not docker_cli_version().startswith("28.2."), reason="the golden file holds the words of docker CLI 28.2"
)


def test_docker_prints_what_the_golden_file_says(tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())
    volume = {"Name": "v", "Driver": "local", "Mountpoint": "/m", "Scope": "local", "Status": golden["data"]}
    real = []
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        daemon.on("GET", "/volumes/v", json=volume)
        for case in golden["cases"]:
            run = subprocess.run(
                [DOCKER or "", "-H", daemon.host, "volume", "inspect", "-f", case["template"], "v"],
                env={**os.environ, "DOCKER_CONFIG": str(tmp_path)},
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode == 0:
                real.append({"template": case["template"], "output": run.stdout.removesuffix("\n")})
            else:
                message = run.stderr.strip().removeprefix("template parsing error: ")
                real.append({"template": case["template"], "error": message})
    if os.environ.get("HAVRE_REGENERATE"):
        GOLDEN.write_text(json.dumps({"data": golden["data"], "cases": real}, indent=1, ensure_ascii=False) + "\n")
    else:
        assert golden["cases"] == real
