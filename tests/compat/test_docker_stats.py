"""``havre stats`` and ``docker stats`` beside each other, on the same scripted daemon."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import docker_cli_version
from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import STATS, ident, missing

DOCKER = shutil.which("docker") or ""

pytestmark = pytest.mark.skipif(not docker_cli_version().startswith("28.2."), reason="compares with docker CLI 28.2")

NEVER = "0001-01-01T00:00:00Z"
V2: dict[str, Any] = {
    "name": "/new",
    "id": ident("b"),
    "read": "2026-01-01T00:00:01Z",
    "preread": "2026-01-01T00:00:00Z",
    "pids_stats": {"current": 12345, "limit": 18446744073709551615},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": "read", "value": 12345678901234},
            {"major": 254, "minor": 0, "op": "write", "value": 999},
        ],
        "io_serviced_recursive": None,
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000_000}, "system_cpu_usage": 20_000_000_000, "online_cpus": 16},
    "precpu_stats": {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 10_000_000_000, "online_cpus": 16},
    "memory_stats": {"usage": 5368709120, "limit": 5368709121, "stats": {"inactive_file": 5368709120, "anon": 1}},
}
V1: dict[str, Any] = {
    **STATS,
    "name": "/old",
    "id": ident("c"),
    "cpu_stats": {
        "cpu_usage": {"total_usage": 77, "percpu_usage": [1, 2, 3, 0]},
        "system_cpu_usage": 100,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 70}, "system_cpu_usage": 1},
    "memory_stats": {"usage": 999_999, "limit": 0, "stats": {"total_inactive_file": 5, "inactive_file": 900_000}},
    "networks": {"eth0": {"rx_bytes": 999_950, "tx_bytes": 1_000_000_000_000}},
}
STOPPED: dict[str, Any] = {
    "name": "/off",
    "id": ident("d"),
    "read": NEVER,
    "preread": NEVER,
    "pids_stats": {},
    "blkio_stats": {"io_service_bytes_recursive": None},
    "cpu_stats": {"cpu_usage": {"total_usage": 0}},
    "precpu_stats": {"cpu_usage": {"total_usage": 0}},
    "memory_stats": {},
}
# Times that went backwards, as after a restart between the two samples.
BACK: dict[str, Any] = {
    **V2,
    "name": "/back",
    "id": ident("e"),
    "cpu_stats": V2["precpu_stats"],
    "precpu_stats": V2["cpu_stats"],
}
ALL: tuple[dict[str, Any], ...] = (STATS, V2, V1, STOPPED, BACK)
PLACEHOLDERS = ("Container", "Name", "ID", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "d.sock") as daemon:
        for document in ALL:
            for name in (document["name"][1:], document["id"], document["id"][:12]):
                daemon.on("GET", f"/containers/{name}/stats", json=document)
        listed = [{"Id": document["id"], "Names": [document["name"]], "State": "running"} for document in ALL]
        daemon.on("GET", "/containers/json", json=listed)
        daemon.on("GET", "/containers/nope/stats", **missing("No such container: nope"))
        daemon.on("GET", "/containers/gone/stats", **missing("No such container: gone"))
        yield daemon


def both(daemon: FakeDaemon, home: Path, *args: str) -> list[tuple[int, str, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
    env = {**kept, "DOCKER_HOST": daemon.host, "DOCKER_CONFIG": str(home)}
    found = []
    for program in ([DOCKER], [sys.executable, "-m", "havre.cli.main"]):
        done = subprocess.run([*program, "stats", *args], env=env, capture_output=True, text=True, timeout=60)
        found.append((done.returncode, done.stdout, done.stderr))
    return found


@pytest.mark.parametrize(
    "args",
    [
        ("web", "new", "old", "off", "back"),
        ("new",),
        ("--no-trunc", "old", "new"),
        ("--no-trunc",),
        ("--all",),
        ("nope",),
        ("web", "nope", "gone"),
        ("--format", "json", "new", "off"),
        ("--format", "{{json .}}", "old"),
        ("--format", "table {{.Name}}\t{{.MemPerc}}\t{{.PIDs}}", "new", "off"),
        ("--format", "table", "web"),
        ("--format", "raw", "web"),
        ("--format", "pretty", "web"),
        ("--format", "{{.Nothing}}", "web"),
        ("--format", "{{", "web"),
        ("--format", "{{upper .Name}} {{len .ID}}", "new"),
        ("--no-trunc", "--format", "{{.ID}}", "new"),
        (
            "--format",
            "table " + "\t".join(f"{{{{.{name}}}}}" for name in PLACEHOLDERS),
            "web",
            "new",
            "old",
            "off",
            "back",
        ),
    ],
    ids=" ".join,
)
def test_the_same_words(daemon: FakeDaemon, tmp_path: Path, args: tuple[str, ...]) -> None:
    docker, havre = both(daemon, tmp_path, "--no-stream", *args)
    # Failures of several containers come in the order in which they fail.
    assert (havre[0], havre[1], sorted(havre[2].splitlines())) == (docker[0], docker[1], sorted(docker[2].splitlines()))


def test_the_format_of_the_configuration(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"statsFormat": "{{.Name}}={{.CPUPerc}}"}')
    docker, havre = both(daemon, tmp_path, "--no-stream", "new", "back")
    assert havre == docker and docker[1] == "new=800.00%\nback=0.00%\n"
