"""What every volume driver does, whatever it keeps its files in."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from havre.errors import HavreError
from havre.volume import VolumeDriver
from havre.volume.drivers import all_drivers
from havre.volume.drivers.local import LocalDriver
from tests.fakes.volume import FakeVolumeDriver

MAKERS: dict[str, Callable[[Path], VolumeDriver]] = {"local": LocalDriver, "fake": FakeVolumeDriver}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], VolumeDriver]:
    """Makes drivers over the same disk: a second one is what the next daemon has."""
    return lambda: MAKERS[request.param](tmp_path)


@pytest.fixture
def driver(make: Callable[[], VolumeDriver]) -> VolumeDriver:
    return make()


def test_every_driver_is_tested() -> None:
    assert set(all_drivers(Path("/nowhere"))) <= set(MAKERS)


def test_a_new_volume_is_an_empty_directory(driver: VolumeDriver) -> None:
    driver.create("data")
    assert driver.path("data").is_absolute()
    assert list(driver.path("data").iterdir()) == []
    assert driver.usage("data") == 0


def test_any_user_may_enter_a_new_volume(driver: VolumeDriver) -> None:
    mask = os.umask(0o077)
    try:
        if driver.name == "fake":
            pytest.skip("the fake leaves modes to the mask")
        driver.create("data")
    finally:
        os.umask(mask)
    assert driver.path("data").stat().st_mode & 0o777 == 0o755
    assert driver.path("data").parent.stat().st_mode & 0o111 & 0o001


def test_making_it_again_changes_nothing(driver: VolumeDriver) -> None:
    driver.create("data")
    (driver.path("data") / "file").write_text("kept")
    driver.create("data")
    assert (driver.path("data") / "file").read_text() == "kept"


def test_volumes_are_apart(driver: VolumeDriver) -> None:
    driver.create("one")
    driver.create("two")
    (driver.path("one") / "file").write_text("x")
    assert list(driver.path("two").iterdir()) == []


def test_removal_in_two_steps(driver: VolumeDriver) -> None:
    driver.create("data")
    (driver.path("data") / "file").write_text("old")
    driver.take_away("data")
    assert not driver.path("data").exists()
    driver.create("data")
    assert list(driver.path("data").iterdir()) == []
    driver.discard("data")
    assert driver.path("data").is_dir()


def test_taking_away_twice(driver: VolumeDriver) -> None:
    for text in ("one", "two"):
        driver.create("data")
        (driver.path("data") / "file").write_text(text)
        driver.take_away("data")
    driver.discard("data")
    driver.recover(frozenset())
    assert not driver.path("data").exists()


def test_taking_away_what_is_not_there(driver: VolumeDriver) -> None:
    driver.take_away("data")
    driver.discard("data")


def test_a_removal_cut_short_before_the_record_is_undone(make: Callable[[], VolumeDriver]) -> None:
    driver = make()
    driver.create("data")
    (driver.path("data") / "file").write_text("kept")
    driver.take_away("data")
    next_one = make()
    next_one.recover(frozenset({"data"}))
    assert (next_one.path("data") / "file").read_text() == "kept"


def test_a_removal_cut_short_after_the_record_is_finished(make: Callable[[], VolumeDriver], tmp_path: Path) -> None:
    driver = make()
    driver.create("data")
    driver.take_away("data")
    make().recover(frozenset())
    assert list(tmp_path.iterdir()) == []


def test_recovery_prefers_what_was_made_since(make: Callable[[], VolumeDriver]) -> None:
    driver = make()
    driver.create("data")
    (driver.path("data") / "file").write_text("old")
    driver.take_away("data")
    driver.create("data")
    (driver.path("data") / "file").write_text("new")
    next_one = make()
    next_one.recover(frozenset({"data"}))
    assert (next_one.path("data") / "file").read_text() == "new"


def test_recovery_leaves_the_rest_alone(make: Callable[[], VolumeDriver]) -> None:
    driver = make()
    driver.create("data")
    (driver.path("data") / "file").write_text("kept")
    make().recover(frozenset({"data"}))
    assert (driver.path("data") / "file").read_text() == "kept"


def test_recovery_takes_an_empty_one_without_a_record(make: Callable[[], VolumeDriver], tmp_path: Path) -> None:
    make().create("cut-short")
    make().recover(frozenset())
    assert list(tmp_path.iterdir()) == []


def test_recovery_loses_no_files_without_a_record(make: Callable[[], VolumeDriver]) -> None:
    driver = make()
    driver.create("data")
    (driver.path("data") / "file").write_text("somebody's")
    make().recover(frozenset())
    assert (driver.path("data") / "file").read_text() == "somebody's"


def test_usage_counts_a_file_once(driver: VolumeDriver) -> None:
    driver.create("data")
    root = driver.path("data")
    (root / "below").mkdir()
    (root / "below" / "file").write_bytes(b"x" * 1000)
    os.link(root / "below" / "file", root / "again")
    (root / "other").write_bytes(b"y" * 24)
    assert driver.usage("data") == 1024


def test_options_that_are_not_known(driver: VolumeDriver) -> None:
    driver.check({})
    with pytest.raises(HavreError, match="nonsense"):
        driver.check({"nonsense": "1"})
