"""``store/db.py``: one thread has the connection, and all that belongs to it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.store.db import Connection, Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "db", {"test": ["CREATE TABLE numbers (number INTEGER PRIMARY KEY)"]})
    yield database
    database.close()


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
