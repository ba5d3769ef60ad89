"""Shares of realtime scheduling, on a tree of plain files."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.kernel.cgroups import Cgroups
from havre.kernel.realtime import RealtimeShare


def test_the_groups_above_have_it_first(tmp_path: Path) -> None:
    share = RealtimeShare(Cgroups(1, {"cpu": tmp_path}), 500000, 1000)
    share.check()
    share.allow("/a/b/container")
    for directory in (tmp_path / "a", tmp_path / "a" / "b"):
        assert (directory / "cpu.rt_period_us").read_text() == "500000"
        assert (directory / "cpu.rt_runtime_us").read_text() == "1000"
    assert not (tmp_path / "a" / "b" / "container").exists()


def test_none_is_asked_of_nobody(tmp_path: Path) -> None:
    share = RealtimeShare(Cgroups(2, {"": tmp_path}))
    share.check()
    share.allow("/a/b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "period", "runtime"), [(2, 0, 5), (2, 5, 0), (1, 100, 200), (1, 0, 2_000_000), (1, -1, 0)]
)
def test_what_cannot_be_had(tmp_path: Path, version: int, period: int, runtime: int) -> None:
    cgroups = Cgroups(version, {"cpu" if version == 1 else "": tmp_path})
    with pytest.raises(InvalidParameter):
        RealtimeShare(cgroups, period, runtime).check()
