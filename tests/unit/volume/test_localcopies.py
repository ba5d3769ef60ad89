"""Copies of local volumes, whatever instant a daemon is killed at."""

import os
from pathlib import Path

import pytest

from havre.errors import Conflict, InvalidParameter, NotFound
from havre.volume.drivers.local import LocalDriver
from havre.volume.drivers.localcopies import LocalCopies


@pytest.fixture
def driver(tmp_path: Path) -> LocalDriver:
    made = LocalDriver(tmp_path)
    made.create("data")
    (made.path("data") / "old").write_text("old")
    return made


def begun(copies: LocalCopies, name: str) -> None:
    (copies.begin(name) / "new").write_text("new")


def names(driver: LocalDriver, volume: str = "data") -> list[str]:
    return sorted(os.listdir(driver.path(volume)))


def test_what_was_only_begun_is_gone(driver: LocalDriver, tmp_path: Path) -> None:
    begun(driver.copies, "data")
    begun(driver.copies, "other")
    driver.recover(frozenset({"data"}))
    assert os.listdir(tmp_path) == ["data"] and names(driver) == ["old"]


def test_a_new_one(driver: LocalDriver) -> None:
    begun(driver.copies, "other")
    driver.copies.ready("other")
    driver.copies.settle("other")
    assert names(driver, "other") == ["new"]


def test_ready_with_and_without_a_record(driver: LocalDriver, tmp_path: Path) -> None:
    for name in ("one", "two"):
        begun(driver.copies, name)
        driver.copies.ready(name)
    driver.recover(frozenset({"data", "one"}))
    assert names(driver, "one") == ["new"] and sorted(os.listdir(tmp_path)) == ["data", "one"]


def test_replaced_at_once(driver: LocalDriver, tmp_path: Path) -> None:
    begun(driver.copies, "data")
    driver.copies.replace("data")
    assert names(driver) == ["new"] and os.listdir(tmp_path) == ["data"]


def test_snapshots(driver: LocalDriver) -> None:
    copies, path = driver.copies, driver.path("data")
    assert copies.snapshots("data") == []
    copies.snapshot("data", "one", path, lambda: False)
    (path / "later").touch()
    copies.snapshot("data", "two", path, lambda: False)
    assert [one.name for one in copies.snapshots("data")] == ["one", "two"]
    assert os.listdir(copies.files_of("data", "one")) == ["old"]
    with pytest.raises(Conflict):
        copies.snapshot("data", "one", path, lambda: False)
    for bad in ("", ".", "..", "a/b", ".x", "x" * 129):
        with pytest.raises(InvalidParameter):
            copies.snapshot("data", bad, path, lambda: False)
    copies.drop("data", "one")
    with pytest.raises(NotFound):
        copies.files_of("data", "one")
    (path.parent / "snapshots" / ".making-three").mkdir()
    driver.recover(frozenset({"data"}))
    assert [one.name for one in copies.snapshots("data")] == ["two"]
    assert (path.parent / "snapshots").stat().st_mode & 0o777 == 0o700
    assert len(os.listdir(path.parent / "snapshots")) == 1


def test_a_snapshot_of_a_volume_that_goes_meanwhile_does_not_bring_it_back(driver: LocalDriver, tmp_path: Path) -> None:
    driver.take_away("data")
    with pytest.raises(FileNotFoundError):
        driver.copies.snapshot("data", "one", tmp_path, lambda: False)
    driver.discard("data")
    assert os.listdir(tmp_path) == []
