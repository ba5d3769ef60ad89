"""The stores of the image room on one temporary data root, and small archives to put into them."""

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from havre.image.blobs import BlobStore
from havre.image.committer import Committer
from havre.image.importer import Importer
from havre.image.layers import LayerStore
from havre.image.load import Loaded, Loader
from havre.image.save import Saver
from havre.image.store import Image, ImageStore
from havre.kernel.compression import decompressed
from havre.kernel.unpack import Limits, Unpacked
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import images as schema
from tests.fakes.snapshots import FakeSnapshotter


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def untar(data: bytes) -> dict[str, bytes]:
    """The regular files of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
        return {name: file.read() for name, file in found if file is not None}


def config(layers: Sequence[bytes], **settings: Any) -> bytes:
    """An image configuration over uncompressed ``layers``."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"step {n}"} for n in range(len(layers))],
    }
    return json.dumps(document).encode()


def docker_archive(
    layers: Sequence[bytes], tags: Sequence[str] | None = ("app:1",), **settings: Any
) -> dict[str, bytes]:
    """The files of an archive as ``docker save`` made them before OCI."""
    document = config(layers, **settings)
    name = digest(document).partition(":")[2] + ".json"
    manifest = [{"Config": name, "RepoTags": tags, "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}]
    files = {f"{n}/layer.tar": layer for n, layer in enumerate(layers)}
    return {**files, name: document, "manifest.json": json.dumps(manifest).encode()}


async def chunked(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def fake_unpack(
    blob: BinaryIO, target: Path, below: Sequence[Path], limits: Limits, progress: Callable[[int], None]
) -> Unpacked:
    """Writes regular files with tarfile, and hashes, as the real child does among other things."""
    data = b"".join(decompressed(iter(lambda: blob.read(1 << 20), b"")))
    files = untar(data)
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    progress(len(data))
    return Unpacked(digest(data), sum(map(len, files.values())), len(files))


class Room:
    """Everything of the image room. ``restart`` opens the same data root again."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root / "data", root / "run")
        self.layout.prepare()
        self.snapshotter = FakeSnapshotter(self.layout.snapshots)
        self.unpack = fake_unpack

    async def start(self) -> "Room":
        self.db = Database.open(self.layout.database, {"images": schema.MIGRATIONS})
        self.blobs = BlobStore(self.layout)
        self.layers = LayerStore(self.blobs, self.snapshotter, unpacker=lambda *a: self.unpack(*a))
        self.images = ImageStore(self.db, self.blobs, self.layers, self.snapshotter)
        await self.snapshotter.start()
        await self.layers.start()
        await self.images.start()
        self.loader = Loader(self.blobs, self.layers, self.images)
        self.importer = Importer(self.blobs, self.layers, self.images)
        self.committer = Committer(self.blobs, self.layers, self.images)
        self.saver = Saver(self.blobs)
        return self

    async def stop(self) -> None:
        await self.layers.close()
        self.db.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def load(self, data: bytes) -> list[Image]:
        return [event.image async for event in self.loader.load(chunked(data)) if isinstance(event, Loaded)]

    def stored(self) -> set[str]:
        """The digests of all blobs."""
        return {f"sha256:{path.name}" for path in (self.layout.blobs / "sha256").glob("*")}

    def ingesting(self) -> list[str]:
        return [path.name for path in self.layout.ingest.iterdir()]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = await Room(tmp_path).start()
    yield room
    await room.stop()
