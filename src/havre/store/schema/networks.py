"""Networks and the endpoints on them; the database keeps an address from being leased twice on one network.

``cursor`` is the address handed out last, as a number: the search for a free one goes on behind it after a restart.
"""

MIGRATIONS = (
    """
    CREATE TABLE networks (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        cursor INTEGER NOT NULL DEFAULT 0,
        body BLOB NOT NULL
    );
    CREATE TABLE endpoints (
        id TEXT PRIMARY KEY,
        container_id TEXT NOT NULL,
        network_id TEXT NOT NULL REFERENCES networks (id),
        address TEXT,
        body BLOB NOT NULL,
        UNIQUE (container_id, network_id),
        UNIQUE (network_id, address)
    )
    """,
)
