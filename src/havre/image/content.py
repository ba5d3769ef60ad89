"""Which content and which layers are needed: the references that images, names and indexes hold, counted when asked.

The image store comes in here for all that it takes away.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from havre.image import digest as digests
from havre.image import records
from havre.image.blobs import BlobStore
from havre.image.documents import Documents
from havre.image.manifest import Descriptor
from havre.image.names import Names
from havre.image.records import Image
from havre.image.snapshots import Snapshotter
from havre.lib.references import Reference
from havre.store.db import Database


class Keeper(Protocol):
    """Somebody beside the images who needs content."""

    def blobs(self) -> set[str]:
        """The digests of blobs that are needed."""

    def diff_ids(self) -> list[list[str]]:
        """The stacks of layers that are needed, bottom first."""


class Content:
    """What the images of one store need. ``compressed`` has the blobs that layers are pushed as, by their diff ids."""

    def __init__(
        self,
        db: Database,
        blobs: BlobStore,
        snapshotter: Snapshotter,
        documents: Documents,
        names: Names,
        images: Mapping[str, Image],
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._snapshotter = snapshotter
        self._documents = documents
        self._names = names
        self._images = images
        self.compressed: dict[str, Descriptor] = {}
        self.keepers: list[Keeper] = []
        self._holds = 0
        self._waiting: set[str] = set()

    @property
    def held(self) -> bool:
        """Whether an image is being put together, and nothing may be taken away."""
        return self._holds > 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Take nothing away meanwhile."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                waiting, self._waiting = self._waiting, set()
                self.delete_unused(waiting)

    def used(self) -> set[str]:
        """The digests of all blobs that are needed."""
        images = (self._own(image) for image in self._images.values())
        others = (keeper.blobs() for keeper in self.keepers)
        return set().union(*images, *others, *(self._behind(target) for target in self._names.targets()))

    def of(self, image: Image) -> set[str]:
        """The blobs that may be of no use without the image."""
        return self._own(image) | self.behind(self._names.reaching(image.id))

    def behind(self, names: Iterable[Reference]) -> set[str]:
        """The blobs that the documents of these names lead to."""
        found = (self._names.get(name) for name in names)
        return set().union(*(self._behind(at.target) for at in found if at is not None and at.target))

    def delete_unused(self, blobs: Iterable[str]) -> None:
        """Delete those of ``blobs`` that nothing needs; while something is held, at the end of that."""
        if self.held:
            self._waiting.update(blobs)
        elif wanted := set(blobs):
            for digest in wanted - self.used():
                self._delete(digest)

    def prune(self, older_than: float) -> int:
        """Delete all that nothing needs or has touched for ``older_than`` seconds; returns the bytes of blobs."""
        self._blobs.drop_staged()
        return sum(self._delete(digest) for digest, _ in self._blobs.unused(self.used(), older_than))

    def unused_layer(self) -> str | None:
        """A layer that no image has and nothing stands on."""
        used = {chain_id for image in self._images.values() for chain_id in image.chain_ids}
        for keeper in self.keepers:
            used.update(chain_id for stack in keeper.diff_ids() for chain_id in digests.chain_ids(stack))
        snapshots = self._snapshotter.all().values()
        parents = {snapshot.parent for snapshot in snapshots}
        return next((s.key for s in snapshots if s.committed and s.key not in used and s.key not in parents), None)

    async def keep_compressed(self, diff_id: str, form: Descriptor) -> None:
        """Count ``form`` as needed by all images with the layer ``diff_id``."""
        await self._db.write(lambda connection: records.put_compressed(connection, diff_id, form))
        self.compressed[diff_id] = form

    async def forget_compressed(self) -> None:
        """Forget the forms of layers that no image has."""
        used = {diff_id for image in self._images.values() for diff_id in image.config.diff_ids}
        gone = [diff_id for diff_id in self.compressed if diff_id not in used]
        if gone:
            await self._db.write(lambda connection: records.drop_compressed(connection, gone), frees_room=True)
            for diff_id in gone:
                del self.compressed[diff_id]

    def _own(self, image: Image) -> set[str]:
        found = {image.id, *(layer.digest for layer in image.record.layers)}
        found |= {self.compressed[diff_id].digest for diff_id in image.config.diff_ids if diff_id in self.compressed}
        if image.manifest is not None:
            found.add(image.manifest.digest)
        return found

    def _behind(self, target: str) -> set[str]:
        return self._documents.needed(target, self._images.__contains__)

    def _delete(self, digest: str) -> int:
        self._documents.forget(digest)
        return self._blobs.delete(digest)
