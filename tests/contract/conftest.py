"""The storages that the contract suites run over; the S3 server is moto's, a process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from havre.registry.storage import ContentStorage
from havre.registry.storages.filesystem import FilesystemStorage
from havre.registry.storages.s3 import S3Storage
from havre.registry.storages.s3settings import S3Settings
from tests.registry.s3server import S3Server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with S3Server.running() as server:
        yield server


class Made:
    """A storage, and another on the same place, as a registry that is started again would have it."""

    def __init__(self, directory: Path, settings: S3Settings | None) -> None:
        self._directory = directory
        self._settings = settings
        self._open: list[ContentStorage] = []

    async def storage(self) -> ContentStorage:
        directory = self._directory
        made: ContentStorage
        if self._settings is None:
            made = FilesystemStorage(directory / "blobs", directory / "uploads")
        else:
            made = S3Storage(self._settings, directory / "uploads")
        await made.start()
        self._open.append(made)
        return made

    async def close(self) -> None:
        for storage in self._open:
            await storage.close()


@pytest.fixture(params=["filesystem", "s3"])
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    settings = None
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        settings = server.settings(prefix=f"{tmp_path.name}/")
    found = Made(tmp_path, settings)
    yield found
    await found.close()


@pytest.fixture
async def storage(made: Made) -> ContentStorage:
    return await made.storage()
