"""``docker commit``: a container's own files become one more layer on its image. The engine comes in here."""

import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from havre.image import config as configs
from havre.image.blobs import BlobStore, Partial
from havre.image.layers import Captured, LayerStore, Standstill
from havre.image.manifest import OCI_LAYER, Descriptor
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference
from havre.lib.tasks import together
from havre.lib.times import rfc3339nano

_INHERITED = ("architecture", "variant", "os", "os.version", "os.features")


@dataclass(frozen=True, slots=True)
class Step:
    """What is told of how the image came about.

    ``settings`` is its configuration and ``container_settings`` the container's, both in the words of their JSON.
    """

    settings: Mapping[str, Any]
    container: str
    container_settings: Mapping[str, Any]
    command: str
    author: str
    comment: str


class Committer:
    """Makes images in the stores it is given."""

    def __init__(self, blobs: BlobStore, layers: LayerStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._layers = layers
        self._images = images

    async def commit(
        self,
        base: Image,
        files: Path,
        without: Collection[str],
        step: Step,
        names: Sequence[Reference],
        still: Standstill,
    ) -> Image:
        """Make an image of ``base`` and a layer of ``files``, and give it ``names``.

        ``files`` is the directory of a snapshot on the layers of ``base``; it is read while ``still`` has begun and not
        ended. Paths in ``without`` are left out. A layer that would be empty is not made. On return all is on disk.
        Killed in the middle, nothing is left of it at the next start.
        """
        adopted: set[str] = set()
        try:
            with self._images.hold():
                # Staged until the image is recorded: what a killed daemon had adopted is known by that.
                async with self._blobs.staged() as blob, self._blobs.staged() as config:
                    captured = await self._layers.capture(base.chain_id, files, without, blob, still)
                    try:
                        layers = await self._keep(base, captured, blob, config, step, still, adopted)
                    finally:
                        await self._layers.drop(captured)
                    return await self._images.add(config.digest, layers, None, names, parent=base.id)
        except BaseException:
            await self._images.abandon(adopted)
            raise

    async def _keep(
        self,
        base: Image,
        captured: Captured,
        blob: Partial,
        config: Partial,
        step: Step,
        still: Standstill,
        adopted: set[str],
    ) -> list[Descriptor]:
        """Make the layer and the configuration durable; returns the image's layers.

        What waits for the disk waits side by side: most of it is then one write.
        """
        layers = list(base.layers)
        diff_id = None if captured.empty else captured.digest
        config.write(_configuration(self._blobs.read(base.id, configs.LARGEST), step, diff_id))
        await together(self._layers.sync(captured), still.end())
        adopted.add(config.digest)
        works: list[Awaitable[None]] = [self._blobs.adopt(config.path, config.digest)]
        if not captured.empty:
            layers.append(Descriptor(media_type=OCI_LAYER, digest=captured.digest, size=captured.size))
            adopted.add(captured.digest)
            works += [self._blobs.adopt(blob.path, captured.digest), self._layers.keep(captured)]
        await together(*works)
        return layers


def _configuration(base: bytes, step: Step, diff_id: str | None) -> bytes:
    old = msgspec.json.decode(base)
    now = rfc3339nano(time.time_ns())
    history = {"created": now, "created_by": step.command, "author": step.author, "comment": step.comment}
    told = {key: value for key, value in history.items() if value}
    document = {
        **{key: old[key] for key in _INHERITED if key in old},
        "author": step.author,
        "comment": step.comment,
        "config": dict(step.settings),
        "container": step.container,
        "container_config": dict(step.container_settings),
        "created": now,
        "history": [*(old.get("history") or ()), {**told, **({} if diff_id else {"empty_layer": True})}],
        "rootfs": {
            "type": "layers",
            "diff_ids": [*(old["rootfs"].get("diff_ids") or ()), *([diff_id] if diff_id else [])],
        },
    }
    return msgspec.json.encode({key: value for key, value in document.items() if value != ""}, order="sorted")
