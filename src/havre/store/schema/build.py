"""The build cache: one row a step that was carried out. ``key`` says what the step was; the body is JSON."""

MIGRATIONS = (
    """
    CREATE TABLE build_cache (
        key TEXT PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
)
