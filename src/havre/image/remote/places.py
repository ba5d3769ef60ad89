"""Where blobs are known to be: the repositories they were pulled from or pushed to. A registry that has a blob in one
repository gives it to another by name, without an upload.

Pulls and pushes come in here. It is no more than a hint: what it says may have been deleted over there since.
"""

import time
from collections.abc import Callable, Iterable

from havre.store.db import Connection, Database

_MOST = 8  # repositories asked for one blob before it is uploaded


class BlobPlaces:
    """The repositories by blob and registry (``docker.io``, ``127.0.0.1:5000``)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def start(self, exists: Callable[[str], bool]) -> None:
        """Forget blobs that are no longer here."""
        query = "SELECT DISTINCT digest FROM blob_places"
        rows = await self._db.read(lambda connection: connection.execute(query).fetchall())
        gone = [(row["digest"],) for row in rows if not exists(row["digest"])]
        if gone:
            drop = "DELETE FROM blob_places WHERE digest = ?"
            await self._db.write(lambda connection: connection.executemany(drop, gone), frees_room=True)

    async def note(self, registry: str, repository: str, digests: Iterable[str]) -> None:
        """All of ``digests`` are in this repository now."""
        now = time.time_ns()
        rows = [(digest, registry, repository, now) for digest in dict.fromkeys(digests)]
        if rows:
            insert = "INSERT OR REPLACE INTO blob_places VALUES (?, ?, ?, ?)"
            await self._db.write(lambda connection: connection.executemany(insert, rows))

    async def repositories(self, registry: str, digest: str) -> list[str]:
        """Where at ``registry`` the blob is, the latest news first."""

        def query(connection: Connection) -> list[str]:
            rows = connection.execute(
                "SELECT repository FROM blob_places WHERE digest = ? AND registry = ? ORDER BY noted DESC LIMIT ?",
                (digest, registry, _MOST),
            )
            return [row["repository"] for row in rows]

        return await self._db.read(query)
