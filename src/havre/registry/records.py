"""What is read and changed in the registry's database, on a connection, inside the caller's transaction.

The catalog runs these in the database's thread. A repository is made by the first thing that is put into it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from havre.registry.errors import InUse, ManifestBlobUnknown, ManifestInvalid
from havre.registry.manifestcache import Manifest
from havre.registry.manifests import DEEPEST, Document, Part
from havre.store.db import Connection

# Larger manifests are read from the database in pieces.
SMALL = 256 * 1024

_REPOSITORY = "(SELECT id FROM repositories WHERE name = :repository)"


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that names another as its subject. ``annotations`` is a JSON object, or None."""

    digest: str
    media_type: str
    size: int
    artifact_type: str
    annotations: bytes | None


def repository_id(connection: Connection, repository: str) -> int | None:
    row = connection.execute("SELECT id FROM repositories WHERE name = ?", (repository,)).fetchone()
    return None if row is None else int(row["id"])


def make_repository(connection: Connection, repository: str) -> int:
    """The repository's number; it is made if need be."""
    known = repository_id(connection, repository)
    if known is not None:
        return known
    insert = "INSERT INTO repositories (name, created) VALUES (?, ?) RETURNING id"
    return int(connection.execute(insert, (repository, time.time())).fetchone()["id"])


# -- manifests ---------------------------------------------------------------------------------------------------------


def manifest(connection: Connection, repository: str, reference: str) -> Manifest | None:
    """The manifest a tag or digest names."""
    tagged = f"(SELECT digest FROM tags WHERE repository = {_REPOSITORY} AND name = :reference)"
    row = connection.execute(
        "SELECT digest, media_type, size, CASE WHEN size <= :small THEN"
        " (SELECT body FROM bodies WHERE bodies.digest = manifests.digest) END AS body"
        f" FROM manifests WHERE repository = {_REPOSITORY} AND digest = {':reference' if ':' in reference else tagged}",
        {"repository": repository, "reference": reference, "small": SMALL},
    ).fetchone()
    return None if row is None else Manifest(row["digest"], row["media_type"], row["size"], row["body"])


def body_piece(connection: Connection, digest: str, start: int, length: int) -> bytes:
    """Some bytes of a manifest; b"" when it has gone."""
    row = connection.execute("SELECT id FROM bodies WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        return b""
    with connection.blobopen("bodies", "body", row["id"], readonly=True) as blob:
        blob.seek(start)
        return blob.read(length)


def put_manifest(
    connection: Connection, repository: str, document: Document, tags: Sequence[str], *, whole: bool = True
) -> bool:
    """Store a manifest and let ``tags`` name it; whether it is new to the repository. Unless ``whole``, what it names
    may be missing."""
    number = make_repository(connection, repository)
    depth = _check_parts(connection, number, document) if whole else int(document.is_index)
    now = time.time()
    connection.execute(
        "INSERT OR IGNORE INTO bodies (digest, body) VALUES (?, ?)",
        (document.digest, document.body),
    )
    added = connection.execute(
        "INSERT OR IGNORE INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(number, document.digest, document.media_type, len(document.body), depth),
            *(document.subject, document.artifact_type, document.annotations, now),
        ),
    ).rowcount
    if added:
        connection.executemany(
            "INSERT INTO parts VALUES (?, ?, ?, ?, ?)",
            ((number, document.digest, part.digest, part.size, part.role) for part in document.parts),
        )
    else:
        # Pushed again: of use now.
        connection.execute(
            "UPDATE manifests SET pushed = ? WHERE repository = ? AND digest = ?", (now, number, document.digest)
        )
    for tag in tags:
        connection.execute("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)", (number, tag, document.digest, now))
    return bool(added)


def delete_manifest(
    connection: Connection, repository: str, digest: str, *, whole: bool = True
) -> tuple[Manifest, list[str]] | None:
    """Remove a manifest; what it was, and the tags that went with it. ``InUse`` when an index names it, unless that
    need not be ``whole``."""
    number = repository_id(connection, repository)
    found = manifest(connection, repository, digest)
    if number is None or found is None:
        return None
    if whole:
        refuse_part(connection, number, digest)
    rows = connection.execute("DELETE FROM tags WHERE repository = ? AND digest = ? RETURNING name", (number, digest))
    tags = [row["name"] for row in rows.fetchall()]
    connection.execute("DELETE FROM manifests WHERE repository = ? AND digest = ?", (number, digest))
    unused = "DELETE FROM bodies WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM manifests WHERE digest = :digest)"
    connection.execute(unused, {"digest": digest})
    return found, tags


def delete_tag(connection: Connection, repository: str, tag: str) -> Manifest | None:
    """Remove a tag; the manifest it named."""
    found = manifest(connection, repository, tag)
    connection.execute(
        f"DELETE FROM tags WHERE repository = {_REPOSITORY} AND name = :tag", {"repository": repository, "tag": tag}
    )
    return found


def referrers(
    connection: Connection, repository: str, subject: str, artifact_type: str | None, after: str, room: int
) -> tuple[list[Referrer], bool]:
    """Manifests whose subject is ``subject``, those behind the digest ``after``, as many as have ``room`` bytes of
    JSON together (at least one); and whether there are more."""
    rows = connection.execute(
        "SELECT digest, media_type, size, artifact_type, annotations FROM manifests"
        f" WHERE repository = {_REPOSITORY} AND subject = :subject AND digest > :after"
        " AND (:type IS NULL OR artifact_type = :type) ORDER BY digest",
        {"repository": repository, "subject": subject, "after": after, "type": artifact_type},
    )
    found: list[Referrer] = []
    for row in rows:
        room -= 400 + len(row["annotations"] or b"") + len(row["artifact_type"])
        if room < 0 and found:
            return found, True
        found.append(Referrer(*row))
    return found, False


def _check_parts(connection: Connection, repository: int, document: Document) -> int:
    """How deep the document lies above manifests. Raises when what it names is not in the repository."""
    missing: list[Part] = []
    depth = 0
    query = "SELECT size, 0 AS depth FROM blobs WHERE repository = ? AND digest = ?"
    if document.is_index:
        query = "SELECT size, depth FROM manifests WHERE repository = ? AND digest = ?"
    for part in document.parts:
        row = connection.execute(query, (repository, part.digest)).fetchone()
        if row is None:
            if not part.optional:
                missing.append(part)
            continue
        if row["size"] != part.size:
            raise ManifestInvalid(f"the manifest says {part.digest} has {part.size} bytes, it has {row['size']}")
        depth = max(depth, row["depth"] + 1)
    if missing:
        raise ManifestBlobUnknown(
            f"{'manifest' if document.is_index else 'blob'} unknown to registry: {missing[0].digest}",
            detail=[{"digest": part.digest} for part in missing[:100]],
        )
    if not document.is_index:
        return 0
    if depth > DEEPEST:
        raise ManifestInvalid(f"the indexes lie deeper in each other than {DEEPEST}")
    return max(depth, 1)


# -- tags and repositories ---------------------------------------------------------------------------------------------


def tags(connection: Connection, repository: str, after: str, limit: int) -> list[str] | None:
    """At most ``limit`` tags behind ``after`` in byte order; None when there is no such repository."""
    number = repository_id(connection, repository)
    if number is None:
        return None
    query = "SELECT name FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?"
    return [row["name"] for row in connection.execute(query, (number, after, limit))]


def repositories(connection: Connection, after: str, limit: int) -> list[str]:
    """At most ``limit`` repositories that hold a manifest, behind ``after`` in byte order."""
    query = (
        "SELECT name FROM repositories WHERE name > ? AND EXISTS"
        " (SELECT 1 FROM manifests WHERE repository = repositories.id) ORDER BY name LIMIT ?"
    )
    return [row["name"] for row in connection.execute(query, (after, limit))]


# -- blobs -------------------------------------------------------------------------------------------------------------


def blob_size(connection: Connection, repository: str, digest: str) -> int | None:
    """Bytes of a blob the repository may hand out."""
    row = connection.execute(
        f"SELECT size FROM blobs WHERE repository = {_REPOSITORY} AND digest = :digest",
        {"repository": repository, "digest": digest},
    ).fetchone()
    return None if row is None else int(row["size"])


def link_blob(connection: Connection, repository: str, digest: str, size: int) -> None:
    """Let the repository hand out a blob."""
    number = make_repository(connection, repository)
    connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)", (number, digest, size, time.time()))


def unlink_blob(connection: Connection, repository: str, digest: str) -> int | None:
    """Let it not do so any more; its bytes. ``InUse`` when a manifest of the repository names it."""
    number = repository_id(connection, repository)
    size = blob_size(connection, repository, digest)
    if number is None or size is None:
        return None
    refuse_part(connection, number, digest)
    connection.execute("DELETE FROM blobs WHERE repository = ? AND digest = ?", (number, digest))
    return size


def refuse_part(connection: Connection, repository: int, digest: str) -> None:
    """Raise ``InUse`` when a manifest of the repository names ``digest``."""
    query = "SELECT manifest FROM parts WHERE repository = ? AND digest = ? LIMIT 1"
    row = connection.execute(query, (repository, digest)).fetchone()
    if row is not None:
        raise InUse(f"{digest} is part of the manifest {row['manifest']}: delete that first")
