"""The door on a unix socket in the test's own event loop, and two ways to talk to it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.api.app import Door
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    """The engine the door calls."""
    return FakeEngine()


@pytest.fixture
async def socket(tmp_path: Path, engine: FakeEngine) -> AsyncIterator[Path]:
    """The path of the socket the door listens on."""
    path = tmp_path / "api.sock"
    door = Door(engine, None)  # type: ignore[arg-type]
    server = await asyncio.get_running_loop().create_unix_server(door, str(path))
    yield path
    server.close()
    await door.shutdown(0.1)


@pytest.fixture
def client(socket: Path) -> Client:
    """Whole requests and answers."""
    return Client(socket)
