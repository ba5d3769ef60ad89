"""What the commands print is what the docker CLI prints for the same daemon (``tests/golden/cli/commands.json``)."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import fill, steady

from havre.cli.main import main

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "cli" / "commands.json").read_text())


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with FakeDaemon(tmp_path_factory.mktemp("world") / "d.sock") as daemon:
        fill(daemon)
        yield daemon.host


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: " ".join(case["args"])[:70])
def test_as_docker(
    case: dict[str, Any],
    host: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HAVRE_HOST", host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(case.get("stdin", "").encode())))
    if "config" in case:
        (tmp_path / "config.json").write_text(json.dumps(case["config"]))
    code = main(case["args"])
    out, err = (steady(text.replace(str(tmp_path), "$HOME")) for text in capsys.readouterr())
    assert (code, out, err) == (case["code"], case["out"], case["err"])
