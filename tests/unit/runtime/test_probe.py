"""Which runtimes a host has: found out by trying, with programs that answer like the real ones."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups
from havre.runtime.runtimes import probe
from havre.runtime.runtimes.process import ProcessRuntime
from havre.runtime.runtimes.runc import RuncRuntime

CGROUPS = Cgroups(2, {"": Path("/nowhere")})
FINDS_NO_PROGRAM = 'echo "exec: /havre-probe: no such file or directory" >&2; exit 1'
REFUSES_THE_HOST = 'echo "cgroups in hybrid mode not supported" >&2; exit 1'


def program(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH, so that the host's own runtimes are not looked at."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setattr(probe, "_PLACES", "")
    monkeypatch.setenv("PATH", str(directory))
    return directory


def run(tmp_path: Path, added: dict[str, str] | None = None, default: str | None = None) -> probe.Runtimes:
    return probe.probe(CGROUPS, tmp_path / "state", added or {}, default, tmp_path)


def test_the_fastest_that_works_is_the_default(tmp_path: Path, path: Path) -> None:
    program(path, "runc", FINDS_NO_PROGRAM)
    program(path, "crun", FINDS_NO_PROGRAM)
    runtimes = run(tmp_path)
    assert runtimes.default == "crun"
    assert isinstance(runtimes.choose("runc"), RuncRuntime)
    assert type(runtimes.choose("")) is ProcessRuntime


def test_one_that_refuses_the_host_is_not_offered(tmp_path: Path, path: Path) -> None:
    program(path, "runc", FINDS_NO_PROGRAM)
    program(path, "crun", REFUSES_THE_HOST)
    runtimes = run(tmp_path)
    assert (runtimes.default, set(runtimes.known)) == ("runc", {"runc"})
    with pytest.raises(InvalidParameter, match="unknown or invalid runtime name: crun"):
        runtimes.choose("crun")
    with pytest.raises(InvalidParameter, match="default runtime 'crun'"):
        run(tmp_path, default="crun")


def test_nothing_is_left_of_the_trial(tmp_path: Path, path: Path) -> None:
    program(path, "runc", FINDS_NO_PROGRAM)
    run(tmp_path)
    assert not list(tmp_path.glob("probe-*"))


def test_a_host_without_a_runtime_is_told_what_to_install(tmp_path: Path, path: Path) -> None:
    with pytest.raises(SystemFault, match="install runc or crun"):
        run(tmp_path)


def test_added_runtimes(tmp_path: Path, path: Path) -> None:
    mine = program(path, "mine", FINDS_NO_PROGRAM)
    runtimes = run(tmp_path, {"fast": mine}, "fast")
    assert runtimes.choose("fast").program == mine
    with pytest.raises(InvalidParameter, match="runtime gone: no executable /nowhere"):
        run(tmp_path, {"gone": "/nowhere"})
