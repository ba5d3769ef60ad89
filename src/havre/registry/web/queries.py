"""What the pages ask of the catalog beyond what the protocol does."""

from collections.abc import Sequence
from dataclasses import dataclass

from havre.store.db import Connection, Row

_ID = "(SELECT id FROM repositories WHERE name = ?)"
# The bytes an image has, each blob once; an index counts what its manifests have. The limit keeps indexes of thousands
# of manifests from holding up the database: of those it is a part.
_BYTES = """
    WITH RECURSIVE below(digest, size, role) AS (
        SELECT digest, size, role FROM parts WHERE repository = :id AND manifest = :manifest
        UNION SELECT p.digest, p.size, p.role FROM parts p JOIN below b ON p.manifest = b.digest
        WHERE p.repository = :id AND b.role = 'manifest' LIMIT 5000
    ) SELECT coalesce(sum(size), 0) AS bytes FROM (SELECT DISTINCT digest, size FROM below)
"""


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """``updated`` is when a manifest was last pushed, in seconds since 1970."""

    name: str
    tags: int
    size: int
    updated: float


@dataclass(frozen=True, slots=True)
class TagRow:
    """A tag; ``size`` is that of the image it names."""

    name: str
    digest: str
    media_type: str
    size: int
    updated: float


def repositories(connection: Connection, names: Sequence[str]) -> list[RepositoryRow]:
    """A row for each of the names."""
    query = f"""
        SELECT (SELECT count(*) FROM tags WHERE repository = r.id) AS tags,
               (SELECT coalesce(sum(size), 0) FROM blobs WHERE repository = r.id) AS size,
               (SELECT coalesce(max(pushed), 0) FROM manifests WHERE repository = r.id) AS updated
        FROM repositories r WHERE r.id = {_ID}
    """
    found = ((name, connection.execute(query, (name,)).fetchone()) for name in names)
    return [RepositoryRow(name, row["tags"], row["size"], row["updated"]) for name, row in found if row is not None]


def tags(connection: Connection, repository: str, after: str, limit: int) -> list[TagRow]:
    """At most ``limit`` tags behind ``after``."""
    rows = connection.execute(
        "SELECT t.repository, t.name, t.digest, t.updated, m.media_type FROM tags t"
        " JOIN manifests m ON m.repository = t.repository AND m.digest = t.digest"
        f" WHERE t.repository = {_ID} AND t.name > ? ORDER BY t.name LIMIT ?",
        (repository, after, limit),
    ).fetchall()
    return [
        TagRow(row["name"], row["digest"], row["media_type"], _size(connection, row), row["updated"]) for row in rows
    ]


def _size(connection: Connection, row: Row) -> int:
    found = connection.execute(_BYTES, {"id": row["repository"], "manifest": row["digest"]}).fetchone()
    return int(found["bytes"])
