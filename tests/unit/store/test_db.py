"""``store/db.py``: one thread has the connection, and all that belongs to it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.errors import SystemFault
from havre.store.db import Connection, Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "db", {"test": ["CREATE TABLE numbers (number INTEGER PRIMARY KEY)"]})
    yield database
    database.close()


async def test_a_commit_waits_for_the_disk(db: Database) -> None:
    """What is acknowledged survives the loss of power."""
    pragma = "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous"
    assert tuple(await db.read(lambda connection: connection.execute(pragma).fetchone())) == ("wal", 2)


async def test_a_cursor_that_is_returned_holds_no_statement(db: Database) -> None:
    cursors: list[sqlite3.Cursor] = [
        await db.write(lambda connection: connection.executemany("INSERT INTO numbers VALUES (?)", [(1,), (2,)])),
        await db.read(lambda connection: connection.execute("SELECT number FROM numbers")),
    ]
    assert cursors[0].rowcount == 2
    for cursor in cursors:

        def fetch(_: Connection, cursor: sqlite3.Cursor = cursor) -> object:
            return cursor.fetchone()

        with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
            await db.read(fetch)


async def test_writes_of_one_statement_side_by_side_all_arrive(db: Database) -> None:
    insert = "INSERT OR REPLACE INTO numbers VALUES (?)"

    async def writer(first: int) -> None:
        for number in range(first, first + 100):
            # What is returned is dropped at once, while the next one uses the statement.
            await db.write(lambda connection, row=(number,): connection.executemany(insert, [row]))

    await asyncio.gather(*(writer(first) for first in range(0, 400, 100)))
    assert await db.read(lambda connection: connection.execute("SELECT count(*) FROM numbers").fetchone()[0]) == 400


async def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(SystemFault, match=f"^cannot use the database {path}: file is not a database$"):
        Database.open(path, {})


async def test_damage_that_shows_later_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "db"
    schema = {"test": ["CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)"]}
    database = Database.open(path, schema)
    rows = [(number, "x" * 1000) for number in range(100)]
    await database.write(lambda c: c.executemany("INSERT INTO numbers VALUES (?, ?)", rows) and None)
    database.close()
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xaa" * 10 * 4096)
    database = Database.open(path, schema)
    with pytest.raises(SystemFault, match=r"^cannot read the database: database disk image is malformed$"):
        await database.read(lambda c: c.execute("SELECT sum(length(text)) FROM numbers").fetchone())
    with pytest.raises(SystemFault, match=r"^cannot write to the database: database disk image is malformed$"):
        await database.write(lambda c: c.execute("UPDATE numbers SET text = 'y'") and None)
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda c: c.execute("INSERT INTO schema_version VALUES (NULL, NULL)") and None)
    database.close()
