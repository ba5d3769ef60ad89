"""What ``havre-registry`` holds of other registries: manifests and blobs, by repository and digest, and when each was
last of use (seconds since the epoch).
"""

MIGRATIONS = (
    """
    CREATE TABLE cached (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        used REAL NOT NULL,
        PRIMARY KEY (repository, digest)
    ) WITHOUT ROWID;
    CREATE INDEX cached_by_use ON cached(used)
    """,
)
