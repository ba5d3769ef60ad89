"""Uploads that have begun, on disk: a push that was broken off, by whatever, goes on where it was. Pushes come in
here.
"""

import time

from havre.store.db import Connection, Database

_KEPT = 7 * 24 * 3600 * 10**9  # nanoseconds; registries forget uploads after about a week


class UploadSessions:
    """The address of each unfinished upload, by registry, repository and digest."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def start(self) -> None:
        """Forget what is too old."""
        horizon = time.time_ns() - _KEPT

        def forget(connection: Connection) -> None:
            connection.execute("DELETE FROM upload_sessions WHERE started < ?", (horizon,))

        await self._db.write(forget, frees_room=True)

    async def find(self, registry: str, repository: str, digest: str) -> str | None:
        """Where the upload of the blob goes on; None when none has begun."""
        query = "SELECT location FROM upload_sessions WHERE registry = ? AND repository = ? AND digest = ?"
        key = (registry, repository, digest)
        row = await self._db.read(lambda connection: connection.execute(query, key).fetchone())
        return row["location"] if row is not None else None

    async def keep(self, registry: str, repository: str, digest: str, location: str) -> None:
        """The upload goes on at ``location``."""
        row = (registry, repository, digest, location, time.time_ns())
        insert = "INSERT OR REPLACE INTO upload_sessions VALUES (?, ?, ?, ?, ?)"
        await self._db.write(lambda connection: connection.execute(insert, row) and None)

    async def drop(self, registry: str, repository: str, digest: str) -> None:
        """The upload is at its end."""
        key = (registry, repository, digest)
        delete = "DELETE FROM upload_sessions WHERE registry = ? AND repository = ? AND digest = ?"
        await self._db.write(lambda connection: connection.execute(delete, key) and None, frees_room=True)
