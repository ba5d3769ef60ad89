"""Events of the registry that wait to be told: one row an event and endpoint, oldest first."""

MIGRATIONS = (
    """
    CREATE TABLE waiting (
        number INTEGER PRIMARY KEY,
        endpoint TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX waiting_by_endpoint ON waiting (endpoint, number)
    """,
)
