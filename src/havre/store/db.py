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
from havre.store.reserve import Reserve

Connection = sqlite3.Connection
Row = sqlite3.Row
T = TypeVar("T")


class Database:
    """One SQLite file. ``write`` and ``read`` run a function on the single connection, in its own thread."""

    def __init__(self, connection: Connection, executor: ThreadPoolExecutor, reserve: Reserve | None) -> None:
        self._connection = connection
        self._executor = executor
        self._reserve = reserve

    @classmethod
    def open(cls, path: Path, schemas: Mapping[str, Sequence[str]], reserve: Path | None = None) -> "Database":
        """Open or create the file at ``path`` and bring every room in ``schemas`` to its newest migration.

        At ``reserve`` a file keeps room for what has to be written on a full disk. ``SystemFault`` when the file cannot
        be used.
        """
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="havre-db")
        kept = Reserve(reserve) if reserve is not None else None
        try:
            connection = executor.submit(_connect, path, schemas, kept).result()
        except sqlite3.DatabaseError as error:
            executor.shutdown()
            raise SystemFault(f"cannot use the database {path}: {error}") from error
        return cls(connection, executor, kept)

    async def write(self, change: Callable[[Connection], T], *, frees_room: bool = False) -> T:
        """Run ``change`` in one transaction and return its result once that is on disk; any error rolls all of it back.

        ``SystemFault`` when the database cannot be written, as on a full disk. What ``frees_room`` in the end, or
        must come before that, gets the reserve then: a second try.
        """
        work = self._transact_at_any_price if frees_room else self._transact
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, change)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on the connection, outside of any transaction of others."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._query, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """As ``read``, blocking: for start-up, before the loop serves anybody."""
        return self._executor.submit(self._query, query).result()

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._executor.submit(self._connection.close).result()
        self._executor.shutdown()

    def _query(self, query: Callable[[Connection], T]) -> T:
        try:
            return _finished(query(self._connection))
        except sqlite3.DatabaseError as error:
            raise _explained(error, "read") from error

    def _transact_at_any_price(self, change: Callable[[Connection], T]) -> T:
        try:
            result = self._transact(change)
        except SystemFault:
            if self._reserve is None or not self._reserve.give_up():
                raise
            result = self._transact(change)
        if self._reserve is not None:
            self._reserve.restore()
        return result

    def _transact(self, change: Callable[[Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = _finished(change(connection))
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        except sqlite3.DatabaseError as error:
            raise _explained(error, "write to") from error
        return result


def _explained(error: sqlite3.DatabaseError, doing: str) -> Exception:
    """What the disk is to blame for, or damage to the file (for which there is no class of its own), as a fault."""
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        return SystemFault(f"cannot {doing} the database: {error}")
    return error


def _finished(result: T) -> T:
    # Whoever drops a cursor resets its statement. In another thread that would hit a use of the same statement here:
    # the connection keeps one for each text.
    if isinstance(result, sqlite3.Cursor):
        result.close()
    return result


def _connect(path: Path, schemas: Mapping[str, Sequence[str]], reserve: Reserve | None) -> Connection:
    if reserve is not None:
        # The migrations may need it.
        reserve.give_up()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit is on disk when it returns, also across power loss; the engine acknowledges only after it.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    _migrate(connection, schemas)
    if reserve is not None:
        reserve.restore()
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
