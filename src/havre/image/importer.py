"""``docker import``: a file system as one tar archive becomes an image of one layer. The engine comes in here."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from havre.image import intake
from havre.image.blobs import BlobStore
from havre.image.intake import File
from havre.image.layers import LayerStore
from havre.image.manifest import OCI_LAYER, Descriptor, Platform
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference
from havre.lib.times import rfc3339nano


class Importer:
    """Makes images in the stores it is given."""

    def __init__(self, blobs: BlobStore, layers: LayerStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._layers = layers
        self._images = images

    async def import_(
        self,
        chunks: AsyncIterator[bytes],
        settings: Mapping[str, Any],
        platform: Platform,
        comment: str,
        names: Sequence[Reference] = (),
        created: str | None = None,
    ) -> Image:
        """Make an image of the archive ``chunks`` (compressed or not) that runs with ``settings``, and name it.

        ``settings`` are in the words of the configuration file (``Cmd``, ``Env``…). ``created`` (RFC 3339) is now by
        default; with a fixed one the same input makes the same image.
        """
        created = created or rfc3339nano(time.time_ns())
        adopted: set[str] = set()
        try:
            with self._images.hold():
                # Staged until the image is recorded: what a killed daemon had adopted is known by that.
                async with intake.single(chunks, self._blobs) as file, self._blobs.staged() as config:
                    layer = await self._layer(file, adopted)
                    config.write(_configuration(settings, platform, comment, created, layer.digest))
                    adopted.add(config.digest)
                    await self._blobs.adopt(config.path, config.digest)
                    return await self._images.add(config.digest, [layer], None, names)
        except BaseException:
            await self._images.abandon(adopted)
            raise

    async def _layer(self, file: File, adopted: set[str]) -> Descriptor:
        # Kept uncompressed, the blob's digest is the layer's as well.
        layer = Descriptor(media_type=OCI_LAYER, digest=file.digest, size=file.size)
        await self._layers.ensure(None, layer.digest, layer, source=file.path)
        adopted.add(layer.digest)
        await self._blobs.adopt(file.path, layer.digest)
        return layer


def _configuration(settings: Mapping[str, Any], platform: Platform, comment: str, created: str, diff_id: str) -> bytes:
    history = {"created": created, "comment": comment}
    document = {
        "architecture": platform.architecture,
        **({"variant": platform.variant} if platform.variant else {}),
        "comment": comment,
        "config": dict(settings),
        "created": created,
        "history": [{key: value for key, value in history.items() if value}],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    return msgspec.json.encode(document, order="sorted")
