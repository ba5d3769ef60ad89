"""What is still to be replicated, in the registry's database: one row a target and tag, so that ten pushes of a tag
while the target is away are one afterwards.
"""

import random
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from havre.registry.replication.settings import Target
from havre.store.db import Connection, Database

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 600.0


@dataclass(frozen=True, slots=True)
class Wish:
    """``reference`` of ``repository`` is to be ``digest`` at ``target``, or not to be there (None)."""

    target: str
    repository: str
    reference: str
    digest: str | None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A wish that is not fulfilled; ``done`` is what the target has, as far as known."""

    repository: str
    reference: str
    wanted: str | None
    done: str | None
    path: str
    attempts: int


class Queue:
    """The rows of all targets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def own_name(self) -> str:
        """The name of this registry among those that replicate, made once."""

        def name(connection: Connection) -> str:
            row = connection.execute("SELECT name FROM replication_self").fetchone()
            if row is None:
                row = {"name": uuid.uuid4().hex}
                connection.execute("INSERT INTO replication_self VALUES (?)", (row["name"],))
            return str(row["name"])

        return await self._database.write(name)

    async def wish(self, wishes: Iterable[Wish]) -> None:
        """Note what is to be there. On disk on return."""

        def note(connection: Connection) -> None:
            for each in wishes:
                _note(connection, each)

        await self._database.write(note)

    async def reconcile(self, targets: Mapping[str, Target]) -> None:
        """Wish for all that is here and not there: for targets that are new, and for what was pushed or deleted in the
        instant before a crash. Forget targets that are gone.
        """

        def reconcile(connection: Connection) -> None:
            marks = ", ".join("?" * len(targets))
            connection.execute(f"DELETE FROM replication WHERE target NOT IN ({marks})", tuple(targets))
            here = list(_all(connection))
            for name, target in targets.items():
                wanted = [row for row in here if target.wants(row[0], "" if ":" in row[1] else row[1])]
                for repository, reference, digest in wanted:
                    _note(connection, Wish(name, repository, reference, digest))
                _forget(connection, name, target, {(repository, reference) for repository, reference, _ in wanted})

        await self._database.write(reconcile)

    async def next(self, target: str) -> tuple[Job | None, float]:
        """The job that is due; or None, and in how many seconds to look again."""
        query = (
            "SELECT repository, reference, wanted, done, path, attempts, due FROM replication"
            " WHERE target = ? AND wanted IS NOT done ORDER BY due LIMIT 1"
        )
        row = await self._database.read(lambda c: c.execute(query, (target,)).fetchone())
        if row is None:
            return None, 3600.0
        wait = row["due"] - time.time()
        return (None, wait) if wait > 0 else (Job(*tuple(row)[:-1]), 0.0)

    async def done(self, target: str, job: Job) -> None:
        """The wish is fulfilled, unless there is another by now."""
        row = (job.wanted, target, job.repository, job.reference)
        this = " WHERE target = ? AND repository = ? AND reference = ?"

        def settle(connection: Connection) -> None:
            connection.execute("UPDATE replication SET done = ?, attempts = 0, error = ''" + this, row)
            gone = "DELETE FROM replication" + this + " AND wanted IS NULL AND done IS NULL"
            connection.execute(gone, row[1:])

        await self._database.write(settle)

    async def failed(self, target: str, job: Job, error: str) -> None:
        """Try again, after a pause that doubles each time."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(job.attempts, 20)) * random.uniform(0.75, 1.25)
        query = (
            "UPDATE replication SET attempts = attempts + 1, error = ?, due = ?"
            " WHERE (target, repository, reference) = (?, ?, ?) AND wanted IS ?"
        )
        row = (error, time.time() + pause, target, job.repository, job.reference, job.wanted)

        def note(connection: Connection) -> None:
            connection.execute(query, row)

        await self._database.write(note)

    async def status(self, targets: Iterable[str]) -> list[dict[str, Any]]:
        """For each target what is done, what is waiting, and what has failed."""

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [_status(connection, target) for target in targets]

        return await self._database.read(read)

    async def holder(self, target: str, digest: str, repository: str) -> str | None:
        """Another repository of ours that has the blob and was replicated to ``target``, to be mounted from there."""
        query = (
            "SELECT r.name FROM blobs b JOIN repositories r ON r.id = b.repository WHERE b.digest = ? AND r.name <> ?"
            " AND EXISTS (SELECT 1 FROM replication p WHERE p.target = ? AND p.repository = r.name"
            " AND p.done IS NOT NULL) LIMIT 1"
        )
        row = await self._database.read(lambda c: c.execute(query, (digest, repository, target)).fetchone())
        return None if row is None else str(row["name"])


def _note(connection: Connection, wish: Wish) -> None:
    if wish.digest is None:
        connection.execute(
            "UPDATE replication SET wanted = NULL, attempts = 0, due = 0 WHERE target = ? AND repository = ?"
            " AND reference = ? AND wanted IS NOT NULL",
            (wish.target, wish.repository, wish.reference),
        )
        # A manifest that went there by a tag has no row of its own.
        connection.execute(
            "INSERT INTO replication (target, repository, reference, done) SELECT ?1, ?2, ?3, ?3 WHERE EXISTS"
            " (SELECT 1 FROM replication WHERE target = ?1 AND repository = ?2 AND done = ?3) ON CONFLICT DO NOTHING",
            (wish.target, wish.repository, wish.reference),
        )
        return
    connection.execute(
        "INSERT INTO replication (target, repository, reference, wanted, path) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET wanted = excluded.wanted, path = excluded.path, attempts = 0, due = 0, error = ''"
        " WHERE wanted IS NOT excluded.wanted",
        (wish.target, wish.repository, wish.reference, wish.digest, wish.path),
    )


def _all(connection: Connection) -> Iterable[tuple[str, str, str]]:
    """Every tag, and every manifest that is attached to another: repository, reference, digest."""
    rows = connection.execute(
        "SELECT r.name, t.name, t.digest FROM tags t JOIN repositories r ON r.id = t.repository"
        " UNION ALL SELECT r.name, m.digest, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository"
        " WHERE m.subject IS NOT NULL"
    )
    return (tuple(row) for row in rows)


def _forget(connection: Connection, name: str, target: Target, wanted: set[tuple[str, str]]) -> None:
    """Wishes for what is not here any more are wishes for its deletion, where those are passed on."""
    rows = connection.execute("SELECT repository, reference FROM replication WHERE target = ?", (name,)).fetchall()
    for repository, reference in map(tuple, rows):
        gone = (repository, reference) not in wanted and not _has(connection, repository, reference)
        if gone and target.deletes:
            _note(connection, Wish(name, repository, reference, None))
        elif gone:
            key = (name, repository, reference)
            connection.execute("DELETE FROM replication WHERE (target, repository, reference) = (?, ?, ?)", key)


def _has(connection: Connection, repository: str, reference: str) -> bool:
    query = (
        "SELECT 1 FROM manifests m JOIN repositories r ON r.id = m.repository WHERE r.name = ? AND m.digest = ?"
        " UNION SELECT 1 FROM tags t JOIN repositories r ON r.id = t.repository WHERE r.name = ? AND t.name = ?"
    )
    return connection.execute(query, (repository, reference, repository, reference)).fetchone() is not None


def _status(connection: Connection, target: str) -> dict[str, Any]:
    counts = connection.execute(
        "SELECT count(*) FILTER (WHERE wanted IS done) AS done, count(*) FILTER (WHERE wanted IS NOT done) AS waiting"
        " FROM replication WHERE target = ?",
        (target,),
    ).fetchone()
    failed = connection.execute(
        "SELECT repository, reference, attempts, error, due FROM replication WHERE target = ? AND wanted IS NOT done"
        " AND attempts > 0 ORDER BY due LIMIT 100",
        (target,),
    )
    return {"target": target, **dict(counts), "failed": [dict(row) for row in failed]}
