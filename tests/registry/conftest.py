"""One registry a test file, and a client for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.server import Client, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that the tests of a file share: each has repositories of its own."""
    running = Server(tmp_path_factory.mktemp("registry") / "root")
    yield running
    running.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection to it."""
    connection = server.client()
    yield connection
    connection.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A registry of the test's own, to be killed."""
    running = Server(tmp_path / "root")
    yield running
    running.close()
