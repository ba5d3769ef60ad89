"""A puller on real stores in a temporary directory, with stand-ins for what needs root: unpacking and snapshots."""

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.digest import DigestMismatch
from havre.image.manifest import Descriptor
from havre.image.remote.config import RegistryConfig
from havre.image.remote.places import BlobPlaces
from havre.image.remote.pull import Puller
from havre.image.remote.push import Pusher
from havre.image.remote.repository import Registries
from havre.image.remote.retry import RetryPolicy
from havre.image.remote.sessions import UploadSessions
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport, open_session
from havre.image.snapshots import Usage
from havre.image.store import ImageStore
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import images as schema
from tests.fakes.registry import FakeRegistry, serving

QUICK = RetryPolicy(attempts=4, first=0.01, longest=0.02, patience=2.0)


class FakeLayers:
    """A layer store that "unpacks" by checking the layer's digest; ``unpacked`` lists the chain ids, in order."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.unpacked: list[str] = []

    def exists(self, chain_id: str) -> bool:
        return chain_id in self.unpacked

    def usage(self, chain_id: str) -> Usage:
        return Usage(1, 1)

    async def ensure(
        self, parent: str | None, diff_id: str, blob: Descriptor, progress: Callable[[int], None] | None = None
    ) -> str:
        chain_id = digests.chain_id(parent, diff_id)
        if chain_id not in self.unpacked:
            assert parent is None or parent in self.unpacked
            data = self._blobs.read(blob.digest, 1 << 30)
            content = zlib.decompress(data, 47) if data[:2] == b"\x1f\x8b" else data
            if digests.of(content) != diff_id:
                raise DigestMismatch(f"layer content is {digests.of(content)}, but the image names it {diff_id}")
            if progress is not None:
                progress(len(data))
            self.unpacked.append(chain_id)
        return chain_id


class NoSnapshots:
    """A snapshotter that has none."""

    def all(self) -> dict[str, object]:
        return {}


class Remote:
    """Everything of the remote room, on one data root; ``restart`` gives the same root to a new set of objects."""

    def __init__(self, root: Path, stack: AsyncExitStack) -> None:
        self._root = root
        self._stack = stack
        self.config = RegistryConfig(certificates=())

    async def start(self, config: RegistryConfig | None = None, policy: RetryPolicy = QUICK) -> "Remote":
        self.config = config or self.config
        layout = Layout(self._root / "data", self._root / "run")
        layout.prepare()
        self.layout = layout
        self.db = Database.open(layout.database, {"images": schema.MIGRATIONS})
        self._stack.callback(self.db.close)
        self.blobs = BlobStore(layout)
        self.layers = FakeLayers(self.blobs)
        self.images = ImageStore(self.db, self.blobs, self.layers, NoSnapshots())  # type: ignore[arg-type]
        self.session: aiohttp.ClientSession = await self._stack.enter_async_context(open_session())
        self.transport = Transport(self.session)
        self.tokens = Tokens(self.transport, self.config)
        self.registries = Registries(self.transport, self.config, self.tokens, policy)
        self.places = BlobPlaces(self.db)
        stores = (self.blobs, self.images, self.layers)
        self.puller = Puller(*stores, self.registries, self.places)  # type: ignore[arg-type]
        outgoing = (self.places, UploadSessions(self.db), 3)
        self.pusher = Pusher(self.blobs, self.images, self.registries, *outgoing)
        self._stack.push_async_callback(self.puller.close)
        self._stack.push_async_callback(self.pusher.close)
        return self

    async def restart(self) -> "Remote":
        await self.puller.close()
        await self.pusher.close()
        return await Remote(self._root, self._stack).start(self.config)


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    async with AsyncExitStack() as stack:
        yield await Remote(tmp_path, stack).start()


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with serving() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[FakeRegistry]:
    """A second server: a mirror, a redirect's target, somebody else."""
    async with serving() as server:
        yield server
