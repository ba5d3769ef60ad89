"""Images, their names, and snapshots: one row each. An image's body is JSON; its configuration lies in a blob.

``image_names.name`` is canonical: ``docker.io/library/busybox:latest`` or ``docker.io/library/busybox@sha256:…``.
``image_names.target`` is the digest of the index or manifest that the name stands for, NULL where it has none.
``snapshots.number`` names the directory; ``key`` is a chain id once committed, a container's id or an unpack key
before. ``compressed_layers`` says as what a layer that came uncompressed is pushed, ``blob_places`` which repositories
have a blob, ``upload_sessions`` where pushes that were broken off go on.
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
    "ALTER TABLE image_names ADD COLUMN target TEXT",
    """
    CREATE TABLE compressed_layers (
        diff_id TEXT PRIMARY KEY,
        body BLOB NOT NULL
    );
    CREATE TABLE blob_places (
        digest TEXT NOT NULL,
        registry TEXT NOT NULL,
        repository TEXT NOT NULL,
        noted INTEGER NOT NULL,
        PRIMARY KEY (digest, registry, repository)
    );
    CREATE TABLE upload_sessions (
        registry TEXT NOT NULL,
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        location TEXT NOT NULL,
        started INTEGER NOT NULL,
        PRIMARY KEY (registry, repository, digest)
    )
    """,
)
