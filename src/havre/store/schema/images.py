"""Images, their names, and snapshots: one row each. An image's body is JSON; its configuration lies in a blob.

``image_names.name`` is canonical: ``docker.io/library/busybox:latest`` or ``docker.io/library/busybox@sha256:…``.
``snapshots.number`` names the directory; ``key`` is a chain id once committed, a container's id or an unpack key
before.
"""

MIGRATIONS = (
    """
    CREATE TABLE images (
        id TEXT PRIMARY KEY,
        body BLOB NOT NULL
    );
    CREATE TABLE image_names (
        name TEXT PRIMARY KEY,
        image TEXT NOT NULL REFERENCES images(id)
    );
    CREATE TABLE snapshots (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        parent TEXT,
        committed INTEGER NOT NULL,
        size INTEGER,
        inodes INTEGER
    )
    """,
)
