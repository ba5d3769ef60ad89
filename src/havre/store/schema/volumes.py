"""Volumes: one row each, the record as JSON."""

MIGRATIONS = (
    """
    CREATE TABLE volumes (
        name TEXT PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
)
