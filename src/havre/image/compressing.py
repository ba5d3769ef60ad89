"""Layers compressed for registries: images that were committed, imported or loaded keep theirs as plain archives.

Pushes come in here. What was compressed once is kept, so that the same image has the same digest on every push.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from isal import isal_zlib

from havre.image.blobs import BlobStore, Partial
from havre.image.manifest import DOCKER_LAYER, OCI_LAYER, OCI_LAYER_GZIP, Descriptor
from havre.image.store import ImageStore

PLAIN = frozenset({OCI_LAYER, DOCKER_LAYER})
_LEVEL = 2  # of isal's 0 to 3: the last costs a third more time for a hundredth of the size
_READ = 1 << 20
_GZIP = 31  # zlib's window bits: a gzip member, whose header has neither name nor time

Progress = Callable[[int], None]


class Compressor:
    """Compresses layers of the stores it is given. Who wants the same one waits for the first."""

    def __init__(self, blobs: BlobStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._images = images
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def compressed(self, layer: Descriptor, diff_id: str, progress: Progress) -> Descriptor:
        """The layer as a registry is to have it; itself if it is compressed. ``progress`` gets the bytes read."""
        if layer.media_type not in PLAIN:
            return layer
        lock = self._locks[diff_id]
        try:
            async with lock:
                known = self._images.content.compressed.get(diff_id)
                if known is None or not self._blobs.exists(known.digest):
                    known = await self._compress(layer, diff_id, progress)
                return known
        finally:
            if not lock.locked():
                self._locks.pop(diff_id, None)

    async def _compress(self, layer: Descriptor, diff_id: str, progress: Progress) -> Descriptor:
        async with self._blobs.staged() as staged:
            stop = [False]
            try:
                await asyncio.to_thread(_run, self._blobs, layer.digest, staged, progress, stop)
            except asyncio.CancelledError:
                stop[0] = True
                raise
            form = Descriptor(media_type=OCI_LAYER_GZIP, digest=staged.digest, size=staged.offset)
            await self._blobs.adopt(staged.path, form.digest)
            await self._images.content.keep_compressed(diff_id, form)
        return form


def _run(blobs: BlobStore, digest: str, staged: Partial, progress: Progress, stop: list[bool]) -> None:
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
    consumed = 0
    with blobs.open(digest) as file:
        while (data := file.read(_READ)) and not stop[0]:
            if compressed := compressor.compress(data):
                staged.write(compressed)
            consumed += len(data)
            progress(consumed)
    staged.write(compressor.flush())
