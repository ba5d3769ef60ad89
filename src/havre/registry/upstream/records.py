"""What is cached, in the registry's database, on a connection: put in, used, and evicted."""

from collections.abc import Iterable, Mapping

from havre.registry import records
from havre.registry.manifests import Document
from havre.store.db import Connection

Key = tuple[str, str]
"""Repository and digest."""


def keep_manifest(connection: Connection, repository: str, document: Document, tags: list[str], now: float) -> None:
    """Store a manifest whose parts may not be here."""
    records.put_manifest(connection, repository, document, tags, whole=False)
    _keep(connection, repository, document.digest, len(document.body), now)


def keep_blob(connection: Connection, repository: str, digest: str, size: int, now: float) -> None:
    """Let the repository hand out a blob that is stored."""
    records.link_blob(connection, repository, digest, size)
    _keep(connection, repository, digest, size, now)


def is_part(connection: Connection, repository: str, digest: str) -> bool:
    """Whether a manifest of the repository names ``digest``."""
    number = records.repository_id(connection, repository)
    query = "SELECT 1 FROM parts WHERE repository = ? AND digest = ? LIMIT 1"
    return connection.execute(query, (number, digest)).fetchone() is not None


def holders(connection: Connection, digest: str) -> list[tuple[str, int]]:
    """The repositories that have the blob ``digest``, and how many bytes each says it has."""
    query = "SELECT r.name, b.size FROM blobs b JOIN repositories r ON r.id = b.repository WHERE b.digest = ?"
    return [(row["name"], row["size"]) for row in connection.execute(query, (digest,))]


def use(connection: Connection, used: Mapping[Key, float]) -> None:
    """Note when things were last of use."""
    rows = [(when, *key) for key, when in used.items()]
    connection.executemany("UPDATE cached SET used = ? WHERE repository = ? AND digest = ?", rows)


def forget_deleted(connection: Connection, keys: Iterable[Key]) -> None:
    """What was deleted counts no more, unless it is here again, or it was only a tag."""
    here = "SELECT 1 FROM {} x JOIN repositories r ON r.id = x.repository WHERE r.name = ?1 AND x.digest = ?2"
    connection.executemany(
        "DELETE FROM cached WHERE repository = ?1 AND digest = ?2"
        f" AND NOT EXISTS ({here.format('blobs')}) AND NOT EXISTS ({here.format('manifests')})",
        keys,
    )


def total(connection: Connection) -> int:
    """Bytes of all that is cached."""
    return int(connection.execute("SELECT coalesce(sum(size), 0) FROM cached").fetchone()[0])


def evict(connection: Connection, surplus: int, most: int) -> list[tuple[str, str, int]]:
    """Forget what was of no use for the longest time, until ``surplus`` bytes or ``most`` things are gone."""
    gone = []
    for row in connection.execute(
        "SELECT repository, digest, size FROM cached ORDER BY used LIMIT ?", (most,)
    ).fetchall():
        if surplus <= 0:
            break
        repository, digest, size = row
        number = records.repository_id(connection, repository)
        records.delete_manifest(connection, repository, digest, whole=False)
        connection.execute("DELETE FROM blobs WHERE repository = ? AND digest = ?", (number, digest))
        connection.execute("DELETE FROM cached WHERE repository = ? AND digest = ?", (repository, digest))
        gone.append((repository, digest, size))
        surplus -= size
    return gone


def _keep(connection: Connection, repository: str, digest: str, size: int, now: float) -> None:
    connection.execute("INSERT OR REPLACE INTO cached VALUES (?, ?, ?, ?)", (repository, digest, size, now))
