"""What garbage collection reads and removes in the registry's database, on a connection, in small steps.

Three things hang together: a repository's blob needs a manifest of the repository that names it; content needs a
repository that has it as a blob; a manifest needs whatever its repository's retention rule says.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from havre.registry import records
from havre.registry.manifestcache import Manifest
from havre.registry.upkeep.retention import Decision, Stored, Tag
from havre.store.db import Connection


@dataclass(frozen=True, slots=True)
class Link:
    """A blob of a repository."""

    number: int
    repository: str
    digest: str
    size: int


Place = tuple[int, str]
"""Where a walk through the blobs of all repositories stands."""

START: Place = (-1, "")


def unnamed(
    connection: Connection, after: Place, horizon: float, limit: int, doomed: Set[tuple[str, str]] = frozenset()
) -> list[Link]:
    """Blobs that no manifest of their repository names, linked before ``horizon``, behind ``after``.

    Manifests in ``doomed`` (repository and digest) count as gone.
    """
    rows = connection.execute(
        "SELECT b.repository, r.name, b.digest, b.size FROM blobs b JOIN repositories r ON r.id = b.repository"
        " WHERE (b.repository, b.digest) > (?, ?) AND b.linked < ? AND NOT EXISTS"
        " (SELECT 1 FROM parts p WHERE p.repository = b.repository AND p.digest = b.digest"
        "  AND r.name || ' ' || p.manifest NOT IN (SELECT value FROM json_each(?)))"
        " ORDER BY b.repository, b.digest LIMIT ?",
        (*after, horizon, json.dumps([" ".join(manifest) for manifest in doomed]), limit),
    )
    return [Link(*row) for row in rows]


def unlink(connection: Connection, links: Iterable[Link]) -> None:
    """Let the repositories of ``links``, found in this transaction, not hand them out any more."""
    connection.executemany(
        "DELETE FROM blobs WHERE repository = ? AND digest = ?", [(link.number, link.digest) for link in links]
    )


def nobodys(connection: Connection, digests: Sequence[str]) -> list[str]:
    """Those of ``digests`` that no repository has as a blob."""
    query = "SELECT 1 FROM blobs WHERE digest = ? LIMIT 1"
    return [digest for digest in digests if connection.execute(query, (digest,)).fetchone() is None]


def only_so_often(connection: Connection, counts: Mapping[str, int]) -> list[str]:
    """The digests that no more repositories have as a blob than ``counts`` says."""
    query = "SELECT count(*) FROM blobs WHERE digest = ?"
    return [digest for digest, count in counts.items() if connection.execute(query, (digest,)).fetchone()[0] <= count]


def repositories(connection: Connection) -> list[str]:
    """All of them."""
    return [row["name"] for row in connection.execute("SELECT name FROM repositories ORDER BY name")]


def facts(connection: Connection, repository: str) -> tuple[list[Tag], list[Stored]]:
    """Tags and manifests of a repository, for its retention rule."""
    number = records.repository_id(connection, repository)
    tags = connection.execute("SELECT name, digest, updated FROM tags WHERE repository = ?", (number,))
    children: dict[str, list[str]] = {}
    listed = "SELECT manifest, digest FROM parts WHERE repository = ? AND role = 'manifest'"
    for row in connection.execute(listed, (number,)):
        children.setdefault(row["manifest"], []).append(row["digest"])
    manifests = connection.execute("SELECT digest, pushed, subject FROM manifests WHERE repository = ?", (number,))
    return [Tag(*row) for row in tags], [
        Stored(row["digest"], row["pushed"], tuple(children.get(row["digest"], ())), row["subject"] or "")
        for row in manifests
    ]


def carry_out(
    connection: Connection,
    repository: str,
    decisions: Sequence[Decision],
    before: float,
    leased: Callable[[str, str], bool],
) -> list[tuple[Decision, Manifest]]:
    """Remove what ``decisions`` say, as far as nothing has changed since ``before``; what went, and what it was.

    A tag that was pushed again stays, and so does a manifest that was pushed again, has a tag again, is listed by an
    index that stays, is attached to a manifest that stays, or that a client counts on.
    """
    number = records.repository_id(connection, repository)
    gone: list[tuple[Decision, Manifest]] = []
    for decision in decisions:
        found = records.manifest(connection, repository, decision.tag) if decision.tag else None
        unchanged = "DELETE FROM tags WHERE repository = ? AND name = ? AND digest = ? AND updated < ?"
        row = (number, decision.tag, decision.digest, before)
        if found is not None and connection.execute(unchanged, row).rowcount:
            gone.append((decision, found))
    waiting = [decision for decision in decisions if not decision.tag and not leased(repository, decision.digest)]
    while waiting:
        left = [each for each in waiting if not _removed(connection, number, repository, each, before, gone)]
        if len(left) == len(waiting):
            break
        waiting = left
    return gone


_STAYS = (
    "SELECT 1 FROM manifests m WHERE m.repository = :number AND m.digest = :digest AND (m.pushed >= :before"
    " OR EXISTS (SELECT 1 FROM tags t WHERE t.repository = :number AND t.digest = :digest)"
    " OR EXISTS (SELECT 1 FROM parts p WHERE p.repository = :number AND p.digest = :digest)"
    " OR EXISTS (SELECT 1 FROM manifests s WHERE s.repository = :number AND s.digest = m.subject))"
)


def _removed(
    connection: Connection,
    number: int | None,
    repository: str,
    decision: Decision,
    before: float,
    gone: list[tuple[Decision, Manifest]],
) -> bool:
    asked = {"number": number, "digest": decision.digest, "before": before}
    if connection.execute(_STAYS, asked).fetchone() is not None:
        return False
    found = records.delete_manifest(connection, repository, decision.digest)
    if found is not None:
        gone.append((decision, found[0]))
    return True
