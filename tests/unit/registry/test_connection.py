"""Time limits of connections and uploads, shortened: nobody waits a minute in a test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.registry.app import Door, Registry
from havre.registry.catalog import Catalog
from havre.registry.storages.filesystem import FilesystemStorage
from havre.registry.uploads import Uploads
from havre.store.db import Database
from havre.store.schema.registry import MIGRATIONS

PATIENCE = 0.3


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A registry that loses its patience soon."""
    database = Database.open(tmp_path / "registry.db", {"registry": MIGRATIONS})
    catalog, storage = Catalog(database), FilesystemStorage(tmp_path / "blobs", tmp_path / "uploads")
    registry = Registry(catalog, storage)
    registry.uploads = Uploads(catalog, storage, registry.turns, patience=PATIENCE)
    door = Door(registry, idle=PATIENCE)
    server = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await door.shutdown(1)
    database.close()


async def say(port: int, text: str) -> bytes:
    """Send ``text``, and read until the registry hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


@pytest.mark.parametrize("text", ["", "GET /v2/ HT", "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_request_that_does_not_come_is_not_waited_for(port: int, text: str) -> None:
    assert await say(port, text) == b""


async def test_a_connection_without_another_request_is_closed(port: int) -> None:
    assert (await say(port, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_an_upload_that_does_not_go_on_keeps_what_it_has(port: int) -> None:
    begun = await say(port, "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    path = begun.partition(b"Location: ")[2].partition(b"\r\n")[0].decode()
    answer = await say(port, f"PATCH {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    assert answer.startswith(b"HTTP/1.1 408") and b"BLOB_UPLOAD_INVALID" in answer
    assert b"Range: 0-4\r\n" in await say(port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
