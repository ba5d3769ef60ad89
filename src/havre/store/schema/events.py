"""What happened, oldest first: one row an event, as JSON. ``time`` is nanoseconds since the epoch."""

MIGRATIONS = (
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        body BLOB NOT NULL
    )
    """,
)
