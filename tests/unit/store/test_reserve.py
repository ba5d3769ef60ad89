"""Room that is kept for what must be written on a full disk."""

from pathlib import Path
from typing import Any

import pytest

from havre.errors import SystemFault
from havre.store.db import Connection, Database
from havre.store.reserve import Reserve

SCHEMA = {"things": ("CREATE TABLE things (name TEXT)",)}


def insert(db: Connection) -> None:
    db.execute("INSERT INTO things VALUES ('x')")


def test_a_reserve_is_given_up_once_and_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "reserve"
    reserve = Reserve(file)
    assert not reserve.give_up()
    reserve.restore()
    assert file.stat().st_blocks * 512 >= 8 << 20
    assert reserve.give_up() and not file.exists()
    reserve.restore()
    reserve.restore()
    assert file.exists()


def test_no_room_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(tmp_path / "reserve")
    monkeypatch.setattr("havre.store.reserve._free", lambda directory: 15 << 20)
    reserve.restore()
    assert not reserve.give_up()
    Reserve(tmp_path / "nowhere" / "reserve").restore()


class Full:
    """A disk on which nothing can be written while ``file`` takes up room."""

    def __init__(self, database: Database, file: Path) -> None:
        self.file = file
        self.write: Any = database._transact

    def __call__(self, change: Any) -> Any:
        if self.file.exists():
            raise SystemFault("cannot write to the database: database or disk is full")
        return self.write(change)


async def test_what_frees_room_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "reserve"
    database = Database.open(tmp_path / "db", SCHEMA, file)
    assert file.exists()
    monkeypatch.setattr(database, "_transact", Full(database, file))
    with pytest.raises(SystemFault, match="full"):
        await database.write(insert)
    assert file.exists()
    await database.write(insert, frees_room=True)
    assert file.exists()
    assert await database.read(lambda db: db.execute("SELECT COUNT(*) FROM things").fetchone()[0]) == 1
    database.close()


async def test_without_a_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(tmp_path / "db", SCHEMA)
    monkeypatch.setattr(database, "_transact", Full(database, tmp_path))
    with pytest.raises(SystemFault):
        await database.write(insert, frees_room=True)
    database.close()
