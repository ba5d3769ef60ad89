"""Events that wait for their receivers, on disk: bounded for each endpoint, and there again after a restart."""

from collections.abc import Sequence
from pathlib import Path

from havre.store.db import Connection, Database
from havre.store.schema import webhooks

FILE = "webhooks.db"
BOUND = 10_000


class EventQueue:
    """A queue for each endpoint. When one is full, its oldest events give way."""

    def __init__(self, path: Path, bound: int = BOUND) -> None:
        self._db = Database.open(path, {"webhooks": webhooks.MIGRATIONS})
        self._bound = bound

    async def put(self, entries: Sequence[tuple[str, bytes]]) -> int:
        """Add (endpoint, event) pairs; they are on disk on return. The number of old events that gave way."""

        def change(connection: Connection) -> int:
            connection.executemany("INSERT INTO waiting (endpoint, body) VALUES (?, ?)", entries)
            dropped = 0
            for endpoint in {endpoint for endpoint, _body in entries}:
                # The newest `bound` stay.
                dropped += connection.execute(
                    "DELETE FROM waiting WHERE endpoint = ?1 AND number <= "
                    "(SELECT number FROM waiting WHERE endpoint = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                    (endpoint, self._bound),
                ).rowcount
            return dropped

        return await self._db.write(change)

    async def first(self, endpoint: str, count: int) -> list[tuple[int, bytes]]:
        """The oldest events of the endpoint, with their numbers."""

        def query(connection: Connection) -> list[tuple[int, bytes]]:
            rows = connection.execute(
                "SELECT number, body FROM waiting WHERE endpoint = ? ORDER BY number LIMIT ?", (endpoint, count)
            )
            return [(row["number"], row["body"]) for row in rows]

        return await self._db.read(query)

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forget events that were delivered."""
        await self._db.write(
            lambda connection: connection.executemany(
                "DELETE FROM waiting WHERE number = ?", [(number,) for number in numbers]
            )
        )

    async def keep_only(self, endpoints: Sequence[str]) -> None:
        """Forget the events of endpoints that are not configured any more."""
        marks = ",".join("?" * len(endpoints))
        await self._db.write(
            lambda connection: connection.execute(f"DELETE FROM waiting WHERE endpoint NOT IN ({marks})", endpoints)
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()
