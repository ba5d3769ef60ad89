"""Where steps do their work: file systems mounted for reading or writing, and layers made of what was written.

What a killed daemon leaves of it (mounts, snapshots nobody committed) is cleared away at the next start.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from havre.builder.trees import Layer, Tree
from havre.errors import NotFound
from havre.image.blobs import BlobStore
from havre.image.layers import LayerStore
from havre.image.manifest import OCI_LAYER, Descriptor
from havre.image.snapshots import Snapshotter
from havre.lib.ids import new_id
from havre.lib.tasks import together

_ACTIVE = "build-"


@dataclass(slots=True)
class Active:
    """A file system being changed: mounted at ``path``, and the snapshot ``key`` until it is a layer."""

    key: str
    path: Path
    mounted: bool = True


class Workspace:
    """Mounts below ``directory``, on the layers of one image store."""

    def __init__(self, directory: Path, blobs: BlobStore, layers: LayerStore, snapshotter: Snapshotter) -> None:
        self._directory = directory
        self._blobs = blobs
        self._layers = layers
        self._snapshotter = snapshotter

    async def start(self) -> None:
        """Clear away what a killed daemon left."""
        for path in sorted(self._directory.glob("*")):
            await self._snapshotter.unmount(path)
        for key in [key for key in self._snapshotter.all() if key.startswith(_ACTIVE)]:
            await self._snapshotter.remove(key)
        shutil.rmtree(self._directory, ignore_errors=True)

    def place(self) -> Path:
        """A new directory of its own, for whoever asks to remove."""
        path = self._directory / new_id()[:16]
        path.mkdir(parents=True, mode=0o700)
        return path

    @asynccontextmanager
    async def writable(self, tree: Tree, under: Path | None = None) -> AsyncIterator[Active]:
        """The files of ``tree``, to be changed. ``under`` are shown too, but are no part of it.

        What was changed is gone at the end, unless ``sealed`` made a layer of it.
        """
        active = Active(f"{_ACTIVE}{new_id()}", self.place())
        try:
            await self._snapshotter.prepare(active.key, tree.chain_id)
            await self._snapshotter.mount(active.key, active.path, under=under)
            yield active
        finally:
            await self._snapshotter.unmount(active.path)
            active.path.rmdir()
            try:
                await self._snapshotter.remove(active.key)
            except NotFound:
                pass  # it is a layer now, or was never made

    @asynccontextmanager
    async def readable(self, tree: Tree) -> AsyncIterator[Path]:
        """The files of ``tree``."""
        path = self.place()
        try:
            if tree.chain_id is not None:
                await self._snapshotter.mount(tree.chain_id, path, readonly=True)
            yield path
        finally:
            await self._snapshotter.unmount(path)
            path.rmdir()

    async def sealed(
        self, active: Active, tree: Tree, created: int, without: frozenset[str] = frozenset()
    ) -> Layer | None:
        """What was changed on ``tree`` as a layer, durable on return; None if nothing was. It ends the changing."""
        await self._snapshotter.unmount(active.path)
        async with self._blobs.staged() as blob:
            captured = await self._layers.seal(active.key, tree.chain_id, without, blob)
            if captured.empty:
                return None
            descriptor = Descriptor(media_type=OCI_LAYER, digest=captured.digest, size=captured.size)
            await self._layers.sync(captured)
            await together(self._blobs.adopt(blob.path, captured.digest), self._layers.keep(captured))
            return Layer(captured.digest, descriptor, captured.usage.size, created)

    async def put_on(self, tree: Tree, layer: Layer) -> Tree:
        """``tree`` with a layer that was made elsewhere."""
        await self._layers.ensure(tree.chain_id, layer.diff_id, layer.blob)
        return tree.on(layer)
