"""Containers: one row each, the record as JSON; the name's uniqueness is the database's to keep."""

MIGRATIONS = (
    """
    CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        body BLOB NOT NULL
    )
    """,
)
