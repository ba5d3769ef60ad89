"""The events of the past, on disk: what ``GET /events?since=…`` tells beyond what ``events`` has in memory.

Events are written in batches, so that publishing stays cheap: one is on disk a tenth of a second after it was
published, at the latest when the daemon ends. A daemon that is killed loses the events of its last tenth of a second,
and no others. The newest 20,000 of the last seven days are kept. On a full disk up to 10,000 wait for room in memory.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from havre.errors import SystemFault
from havre.lib.tasks import TaskOwner
from havre.store.db import Connection, Database

log = logging.getLogger(__name__)

_DELAY, _DELAY_AFTER_FAILURE = 0.1, 2.0
_MOST, _OLDEST = 20_000, 7 * 24 * 3600 * 1_000_000_000
_MOST_WAITING = 10_000
_TRIM_EVERY = 500
_PAGE = 500

Row = tuple[int, int, bytes]


class EventHistory:
    """Keeps numbered events: each number is higher than the one before, also after a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Row] = deque(maxlen=_MOST_WAITING)
        self._tasks = TaskOwner("event history")
        self._writing: asyncio.Task[None] | None = None
        self._untrimmed = _TRIM_EVERY
        self._healthy = True

    def last_number(self) -> int:
        """The number of the newest event on disk, 0 when there is none; for the start of the daemon."""
        query = "SELECT COALESCE(MAX(number), 0) FROM events"
        return int(self._database.read_now(lambda db: db.execute(query).fetchone()[0]))

    def note(self, number: int, event: dict[str, Any]) -> None:
        """Keep an event; returns at once."""
        self._waiting.append((number, event["timeNano"], msgspec.json.encode(event)))
        if self._writing is None:
            self._writing = self._tasks.start(self._write_soon(), "write")

    async def read(self, since_ns: int, until_ns: int | None, before: int) -> AsyncIterator[dict[str, Any]]:
        """The events from ``since_ns`` to ``until_ns`` with numbers below ``before``, oldest first."""
        waiting = list(self._waiting)
        end = min(before, waiting[0][0]) if waiting else before
        until = until_ns if until_ns is not None else time.time_ns()
        last = 0
        while rows := await self._database.read(_page(last, end, since_ns, until)):
            for number, body in rows:
                last = number
                yield msgspec.json.decode(body)
        for number, moment, body in waiting:
            if number < before and since_ns <= moment <= until:
                yield msgspec.json.decode(body)

    async def close(self) -> None:
        """Write what waits."""
        await self._tasks.close()
        try:
            await self._write()
        except SystemFault as error:
            log.error("the last %d events are lost: %s", len(self._waiting), error)

    async def _write_soon(self) -> None:
        delay = _DELAY
        while self._waiting:
            await asyncio.sleep(delay)
            try:
                await self._write()
                self._healthy, delay = True, _DELAY
            except SystemFault as error:
                if self._healthy:
                    log.error("events cannot be written: %s", error)
                self._healthy, delay = False, _DELAY_AFTER_FAILURE
        self._writing = None

    async def _write(self) -> None:
        rows = list(self._waiting)
        if not rows:
            return
        trim = self._untrimmed + len(rows) >= _TRIM_EVERY

        def write(db: Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", rows)
            if trim:
                _trim(db, rows[-1][0] - _MOST, time.time_ns() - _OLDEST)

        await self._database.write(write)
        self._untrimmed = 0 if trim else self._untrimmed + len(rows)
        while self._waiting and self._waiting[0][0] <= rows[-1][0]:
            self._waiting.popleft()


def _page(after: int, before: int, since: int, until: int) -> Any:
    query = (
        "SELECT number, body FROM events WHERE number > ? AND number < ? AND time >= ? AND time <= ? "
        "ORDER BY number LIMIT ?"
    )
    limits = (after, before, since, until, _PAGE)
    return lambda db: db.execute(query, limits).fetchall()


def _trim(db: Connection, last: int, moment: int) -> None:
    """Drop the events up to the number ``last``, and the oldest up to the first one after ``moment``."""
    row = db.execute("SELECT number FROM events WHERE time >= ? ORDER BY number LIMIT 1", (moment,)).fetchone()
    db.execute("DELETE FROM events WHERE number <= ? OR number < ?", (last, row[0] if row is not None else 0))
