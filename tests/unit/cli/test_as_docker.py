"""What the container commands ask the daemon for, say and return is what the docker CLI does for the same words
(``tests/golden/cli/requests.json``).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import verbs, world
from tests.fakes.daemon import FakeDaemon
from tests.fakes.twins import Twins

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "cli" / "requests.json").read_text())


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    directory = tmp_path_factory.mktemp("twins")
    with FakeDaemon(directory / "d.sock") as daemon:
        world.fill(daemon)
        verbs.fill(daemon)
        yield Twins(daemon, directory)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: " ".join(case["args"])[:70])
def test_as_docker(case: dict[str, Any], twins: Twins) -> None:
    twins.daemon.experimental = "checkpoint" in " ".join(case["args"])
    assert {"args": case["args"], **twins.havre(case["args"]).plain()} == case
