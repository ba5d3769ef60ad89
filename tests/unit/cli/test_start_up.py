"""What the listing commands import: start-up time is a feature, so a module too many is a failure."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes import verbs
from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import containers, fill
from tests.unit.cli.conftest import Havre

HEAVY = (
    "asyncio",
    "aiohttp",
    "msgspec",
    "argparse",
    "dataclasses",
    "datetime",
    "enum",
    "inspect",
    "json",
    "re",
    "typing",
    "unicodedata",
    "havre.lib.templates",
    "havre.lib.references",
)
PROGRAM = """
import sys
before = set(sys.modules)
from havre.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""


def imported(havre: Havre, *argv: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, *argv],
        env={**havre.environment(), "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("argv", [["ps"], ["ps", "-aq"], ["images"], ["volume", "ls"], ["network", "ls"]])
def test_lists_are_light(havre: Havre, daemon: FakeDaemon, argv: list[str]) -> None:
    fill(daemon)
    # A reference with a digest, or a wide character, is worth an import.
    daemon.on("GET", "/containers/json", json=containers(0)[:2])
    found = imported(havre, *argv)
    assert not found.intersection(HEAVY)
    assert "havre.cli.table" in found


@pytest.mark.parametrize("argv", [["run", "-d", "-m", "5m", "b"], ["exec", "-d", "detached", "x"], ["kill", "web"]])
def test_what_stays_in_the_background_is_light(havre: Havre, daemon: FakeDaemon, argv: list[str]) -> None:
    verbs.fill(daemon)
    assert not imported(havre, *argv).intersection((*HEAVY, "signal", "threading", "socket"))


def test_templates_are_imported_when_asked_for(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    assert "havre.lib.templates" in imported(havre, "ps", "--format", "{{.ID}} {{.Image}}")
