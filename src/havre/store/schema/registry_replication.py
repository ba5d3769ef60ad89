"""What ``havre-registry`` replicates: a row for each target and tag (or digest, without a tag).

``wanted`` is the digest it is to have there, NULL when it is to be deleted; ``done`` the one it is known to have. They
differ while there is something to do, from ``due`` on (seconds since the epoch). ``path`` are the registries the push
has come through. ``replication_self`` holds the one name of this registry on such paths.
"""

MIGRATIONS = (
    """
    CREATE TABLE replication (
        target TEXT NOT NULL,
        repository TEXT NOT NULL,
        reference TEXT NOT NULL,
        wanted TEXT,
        done TEXT,
        path TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0,
        due REAL NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (target, repository, reference)
    ) WITHOUT ROWID;
    CREATE INDEX replication_to_do ON replication(target, due) WHERE wanted IS NOT done;
    CREATE TABLE replication_self (
        name TEXT NOT NULL
    )
    """,
)
