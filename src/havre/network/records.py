"""The network room's records: networks and endpoints as rows, each with its value as JSON."""

from collections.abc import Iterable

import msgspec

from havre.network.model import Endpoint, Network
from havre.store.db import Connection


def networks(connection: Connection) -> list[tuple[Network, int]]:
    """Every network with its cursor (the address leased last)."""
    rows = connection.execute("SELECT body, cursor FROM networks ORDER BY rowid")
    return [(msgspec.json.decode(row["body"], type=Network), row["cursor"]) for row in rows]


def endpoints(connection: Connection) -> list[Endpoint]:
    """Every endpoint, oldest first."""
    rows = connection.execute("SELECT body FROM endpoints ORDER BY rowid")
    return [msgspec.json.decode(row["body"], type=Endpoint) for row in rows]


def put_network(connection: Connection, network: Network) -> None:
    """Insert the network, or replace its body; its cursor stays."""
    connection.execute(
        "INSERT INTO networks (id, name, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (network.id, network.name, msgspec.json.encode(network)),
    )


def delete_network(connection: Connection, network_id: str) -> None:
    """Delete the network, and what endpoints of it nobody knows any more."""
    connection.execute("DELETE FROM endpoints WHERE network_id = ?", (network_id,))
    connection.execute("DELETE FROM networks WHERE id = ?", (network_id,))


def add_endpoint(connection: Connection, endpoint: Endpoint, cursor: int) -> None:
    """Insert the endpoint and move its network's cursor."""
    connection.execute(
        "INSERT INTO endpoints (id, container_id, network_id, address, address6, body) VALUES (?, ?, ?, ?, ?, ?)",
        (
            endpoint.endpoint_id,
            endpoint.container_id,
            endpoint.network_id,
            endpoint.ip_address or None,
            endpoint.ipv6_address or None,
            msgspec.json.encode(endpoint),
        ),
    )
    connection.execute("UPDATE networks SET cursor = ? WHERE id = ?", (cursor, endpoint.network_id))


def change_endpoints(connection: Connection, endpoints: Iterable[Endpoint]) -> None:
    """Replace the bodies of endpoints; their addresses stay."""
    for endpoint in endpoints:
        body = msgspec.json.encode(endpoint)
        connection.execute("UPDATE endpoints SET body = ? WHERE id = ?", (body, endpoint.endpoint_id))


def delete_endpoint(connection: Connection, endpoint_id: str) -> None:
    connection.execute("DELETE FROM endpoints WHERE id = ?", (endpoint_id,))
