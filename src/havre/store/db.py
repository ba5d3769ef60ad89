"""The daemon's database: SQLite in WAL mode, every write made by one thread, in one transaction, durable on return.

Rooms keep their own tables: ``store/schema/<room>.py`` lists that room's migrations, numbered from 1 in order; what has
been applied is noted in the table ``schema_version``. A migration is never edited once released: a new one follows it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from havre.errors import SystemFault

Connection = sqlite3.Connection
Row = sqlite3.Row
T = TypeVar("T")


class Database:
    """One SQLite file. ``write`` and ``read`` run a function on the single connection, in its own thread."""

    def __init__(self, connection: Connection, executor: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._executor = executor

    @classmethod
    def open(cls, path: Path, schemas: Mapping[str, Sequence[str]]) -> "Database":
        """Open or create the file at ``path`` and bring every room in ``schemas`` to its newest migration."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="havre-db")
        return cls(executor.submit(_connect, path, schemas).result(), executor)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run ``change`` in one transaction and return its result once that is on disk; any error rolls all of it back.

        ``SystemFault`` when the database cannot be written, as on a full disk.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._transact, change)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on the connection, outside of any transaction of others."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, query, self._connection)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """As ``read``, blocking: for start-up, before the loop serves anybody."""
        return self._executor.submit(query, self._connection).result()

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._executor.submit(self._connection.close).result()
        self._executor.shutdown()

    def _transact(self, change: Callable[[Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(connection)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        except sqlite3.OperationalError as error:
            raise SystemFault(f"cannot write to the database: {error}") from error
        return result


def _connect(path: Path, schemas: Mapping[str, Sequence[str]]) -> Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit is on disk when it returns, also across power loss; the engine acknowledges only after it.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    _migrate(connection, schemas)
    return connection


def _migrate(connection: Connection, schemas: Mapping[str, Sequence[str]]) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    known: dict[str, int] = {row["room"]: row["version"] for row in connection.execute("SELECT * FROM schema_version")}
    for room, migrations in schemas.items():
        version = known.get(room, 0)
        if version > len(migrations):
            raise SystemFault(
                f"the data of {room!r} was written by a newer havre: its schema is {version}, ours {len(migrations)}"
            )
        for number, script in enumerate(migrations[version:], start=version + 1):
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
                connection.execute("INSERT OR REPLACE INTO schema_version VALUES (?, ?)", (room, number))
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
