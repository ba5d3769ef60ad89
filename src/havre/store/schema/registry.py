"""What ``havre-registry`` keeps: repositories, manifests, tags, which blobs a repository may hand out, and uploads.

Manifests are here as a whole (``bodies``), blobs only by digest and size: their bytes are the content storage's.
``parts`` are what a manifest is made of, by the digests in it; ``role`` is config, layer or manifest. ``depth`` is 0
for a manifest and one more than the deepest entry for an index. Times are seconds since the epoch.
"""

MIGRATIONS = (
    """
    CREATE TABLE repositories (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created REAL NOT NULL
    );
    CREATE TABLE bodies (
        id INTEGER PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        body BLOB NOT NULL
    );
    CREATE TABLE manifests (
        repository INTEGER NOT NULL REFERENCES repositories(id),
        digest TEXT NOT NULL REFERENCES bodies(digest),
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        depth INTEGER NOT NULL,
        subject TEXT,
        artifact_type TEXT NOT NULL,
        annotations BLOB,
        pushed REAL NOT NULL,
        PRIMARY KEY (repository, digest)
    ) WITHOUT ROWID;
    CREATE INDEX manifests_by_digest ON manifests(digest);
    CREATE INDEX manifests_by_subject ON manifests(repository, subject, digest) WHERE subject IS NOT NULL;
    CREATE TABLE parts (
        repository INTEGER NOT NULL,
        manifest TEXT NOT NULL,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        role TEXT NOT NULL,
        PRIMARY KEY (repository, manifest, digest),
        FOREIGN KEY (repository, manifest) REFERENCES manifests(repository, digest) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX parts_by_digest ON parts(repository, digest);
    CREATE TABLE tags (
        repository INTEGER NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        updated REAL NOT NULL,
        PRIMARY KEY (repository, name),
        FOREIGN KEY (repository, digest) REFERENCES manifests(repository, digest)
    ) WITHOUT ROWID;
    CREATE INDEX tags_by_digest ON tags(repository, digest);
    CREATE TABLE blobs (
        repository INTEGER NOT NULL REFERENCES repositories(id),
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        linked REAL NOT NULL,
        PRIMARY KEY (repository, digest)
    ) WITHOUT ROWID;
    CREATE INDEX blobs_by_digest ON blobs(digest);
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        repository TEXT NOT NULL,
        started REAL NOT NULL
    ) WITHOUT ROWID
    """,
)
