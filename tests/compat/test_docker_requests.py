"""The golden file of requests says what the docker CLI asks a daemon for: held against the real one, which also writes
it.

    HAVRE_REGENERATE=1 pytest tests/compat/test_docker_requests.py

A new case is a line ``{"args": […]}`` in the file.
"""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import docker_cli_version
from tests.fakes import verbs, world
from tests.fakes.daemon import FakeDaemon
from tests.fakes.twins import Twins

GOLDEN = Path(__file__).parents[1] / "golden" / "cli" / "requests.json"

pytestmark = pytest.mark.skipif(
    not docker_cli_version().startswith("28.2."), reason="the golden file holds the words of docker CLI 28.2"
)


def test_docker_asks_for_what_the_golden_file_says(tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        world.fill(daemon)
        verbs.fill(daemon)
        twins = Twins(daemon, tmp_path)
        real = []
        for case in golden:
            daemon.experimental = "checkpoint" in " ".join(case["args"])
            real.append({"args": case["args"], **twins.docker(case["args"]).plain()})
    if os.environ.get("HAVRE_REGENERATE"):
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in real)
        GOLDEN.write_text(f"[\n{lines}\n]\n")
    else:
        assert golden == real
