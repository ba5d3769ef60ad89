"""The build cache: one row a step that was carried out. ``key`` says what the step was; the body is JSON.

``build_details`` has beside it what is only asked for to tell what changed.
"""

MIGRATIONS = (
    """
    CREATE TABLE build_cache (
        key TEXT PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE build_details (
        key TEXT PRIMARY KEY,
        body BLOB NOT NULL
    )
    """,
)
