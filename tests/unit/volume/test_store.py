"""Records of volumes, and what may name one."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.store.db import Database
from havre.store.schema import ALL
from havre.volume.store import ANONYMOUS, VolumeRecord, VolumeStore, check_name


async def test_records_outlive_the_daemon(tmp_path: Path) -> None:
    record = VolumeRecord("data", "local", 123, {"a": "b"})
    database = Database.open(tmp_path / "db", ALL)
    store = VolumeStore(database)
    store.load()
    assert store.all() == []
    await store.save(record)
    await store.save(VolumeRecord("cache", "local", 124))
    await store.delete("cache")
    database.close()

    database = Database.open(tmp_path / "db", ALL)
    store = VolumeStore(database)
    store.load()
    assert store.all() == [record]
    assert store.get("data") == record and store.get("cache") is None
    database.close()


def test_anonymous() -> None:
    assert VolumeRecord("x", "local", 1, {ANONYMOUS: ""}).anonymous
    assert not VolumeRecord("x", "local", 1).anonymous


@pytest.mark.parametrize("name", ["ab", "A1", "0.x_y-z", "a" * 240])
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "..", ".a", "-a", "a/b", "a b", "ä1", "a\n", "../x", "a\0b"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidParameter, match="includes invalid characters for a local volume name"):
        check_name(name)


def test_a_name_that_a_driver_could_put_no_word_before() -> None:
    with pytest.raises(InvalidParameter, match="volume name is too long, 240 characters are the most"):
        check_name("a" * 241)


def test_a_name_of_one_letter() -> None:
    with pytest.raises(InvalidParameter, match="create a: volume name is too short"):
        check_name("a")
