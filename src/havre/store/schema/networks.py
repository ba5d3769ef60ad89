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
    # Subnets in a list, of both IP versions; what the driver notes is apart from what the user asked for.
    """
    UPDATE networks SET body = CAST(
        json_remove(
            json_set(
                CAST(body AS TEXT),
                '$.state', json(json_extract(CAST(body AS TEXT), '$.options')),
                '$.options', json('{}'),
                '$.pools', CASE WHEN coalesce(json_extract(CAST(body AS TEXT), '$.subnet'), '') = '' THEN json('[]')
                    ELSE json_array(json_object(
                        'subnet', json_extract(CAST(body AS TEXT), '$.subnet'),
                        'gateway', json_extract(CAST(body AS TEXT), '$.gateway')
                    )) END
            ),
            '$.subnet', '$.gateway'
        ) AS BLOB
    );
    ALTER TABLE endpoints ADD COLUMN address6 TEXT;
    CREATE UNIQUE INDEX endpoints_address6 ON endpoints (network_id, address6)
    """,
)
