"""The image store held against itself: every blob against its digest, every layer against its blob, every record
against what is on disk. ``havre system fsck`` comes in here.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from havre.errors import Conflict, HavreError
from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.digest import Hasher
from havre.image.layercheck import LayerCheck
from havre.image.manifest import Descriptor
from havre.image.snapshots import Snapshotter
from havre.image.store import Image, ImageStore
from havre.lib.relay import settled

_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. ``kind``: blob, layer, image… ``repaired`` is what was done about it."""

    kind: str
    name: str
    problem: str
    repaired: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check is: ``done`` of ``total`` of a ``kind``."""

    kind: str
    done: int
    total: int


Step = Finding | Progress


class ImageCheck:
    """Checks one image store. Nothing is taken away by others while it runs."""

    def __init__(self, blobs: BlobStore, images: ImageStore, snapshotter: Snapshotter) -> None:
        self._blobs = blobs
        self._images = images
        self._snapshotter = snapshotter
        self._layers = LayerCheck(blobs, snapshotter)

    async def run(self, repair: bool) -> AsyncIterator[Step]:
        """Check everything, and with ``repair`` put right what can be; what was found comes as it is found."""
        with self._images.hold():
            damaged: set[str] = set()
            async for step in self._check_blobs(repair, damaged):
                yield step
            async for step in self._check_layers(repair, damaged):
                yield step
            for finding in self._check_images(damaged):
                yield finding
            for image_id, reason in self._images.unreadable.items():
                yield Finding("image", image_id, f"its record cannot be read: {reason}", "forgotten" if repair else "")
            if repair:
                await self._images.forget_unreadable()
        async for finding in self._check_rest(repair):
            yield finding

    async def _check_blobs(self, repair: bool, damaged: set[str]) -> AsyncIterator[Step]:
        found = self._blobs.all()
        for number, digest in enumerate(found):
            yield Progress("blob", number, len(found))
            try:
                content = await settled(partial(_digest_of, self._blobs.path(digest), digest), lambda _: None)
            except OSError as error:
                damaged.add(digest)
                yield Finding("blob", digest, f"cannot be read: {error.strerror}")
                continue
            if content != digest:
                damaged.add(digest)
                if repair:
                    self._blobs.delete(digest)
                yield Finding("blob", digest, f"its content is {content}", "deleted: pull again" if repair else "")
        yield Progress("blob", len(found), len(found))

    async def _check_layers(self, repair: bool, damaged: set[str]) -> AsyncIterator[Step]:
        layers = self._known_layers()
        for number, (chain_id, (parent, diff_id, blob)) in enumerate(layers.items()):
            yield Progress("layer", number, len(layers))
            whole = blob.digest not in damaged and self._blobs.exists(blob.digest)
            if chain_id not in self._snapshotter.all():
                yield Finding("layer", chain_id, "is not unpacked")
                continue
            files = self._snapshotter.upper(chain_id)
            if not files.is_dir():
                if not (repair and whole):
                    yield Finding("layer", chain_id, "its files are gone")
                    continue
                files.mkdir(parents=True)  # what is lacking there is brought back below
            if whole:
                async for finding in self._check_layer(parent, chain_id, diff_id, blob, repair):
                    yield finding
        yield Progress("layer", len(layers), len(layers))

    async def _check_layer(
        self, parent: str | None, chain_id: str, diff_id: str, blob: Descriptor, repair: bool
    ) -> AsyncIterator[Finding]:
        try:
            found, repaired = await self._layers.run(parent, diff_id, blob, repair)
        except Conflict as error:
            yield Finding("layer", chain_id, f"differs from its blob; {error.message}")
        except HavreError as error:
            yield Finding("layer", chain_id, error.message)
        else:
            if found:
                yield Finding("layer", chain_id, "; ".join(found), "unpacked anew" if repaired else "")

    def _check_images(self, damaged: set[str]) -> list[Finding]:
        found = []
        for image in self._images.all():
            name = image.repo_tags[0] if image.repo_tags else image.id
            if image.id in damaged or not self._blobs.exists(image.id):
                found.append(Finding("image", name, "its configuration is damaged or gone: pull or build it again"))
            gone = [b.digest for b in image.layers if b.digest in damaged or not self._blobs.exists(b.digest)]
            if gone:
                lost = ", ".join(gone)
                text = f"it runs, but cannot be pushed or saved: {lost} gone: pull or load it again"
                found.append(Finding("image", name, text))
            manifest = image.manifest
            if manifest is not None and (manifest.digest in damaged or not self._blobs.exists(manifest.digest)):
                found.append(Finding("image", name, f"its manifest {manifest.digest} is gone: it gets another digest"))
        return found

    async def _check_rest(self, repair: bool) -> AsyncIterator[Finding]:
        """What nobody needs any more; it is no damage, and repaired by taking it away."""
        unused = self._blobs.unused(self._images.content.used(), 0.0)
        if unused:
            size = sum(bytes for _, bytes in unused)
            freed = await self._images.prune_content(0.0) if repair else 0
            yield Finding("unused", f"{len(unused)} blobs", f"{size} bytes that no image has", _freed(freed))
        if (size := self._images.partial_bytes()) > 0:
            freed = self._images.prune_partials() if repair else 0
            yield Finding("unused", "downloads", f"{size} bytes of broken-off downloads", _freed(freed))

    def _known_layers(self) -> dict[str, tuple[str | None, str, Descriptor]]:
        """By chain id, the lowest first: what each stands on, its diff id and its blob."""
        found: dict[str, tuple[str | None, str, Descriptor]] = {}
        for image in self._images.all():
            for below, chain_id, diff_id, blob in _stack(image):
                found.setdefault(chain_id, (below, diff_id, blob))
        return found


def _stack(image: Image) -> list[tuple[str | None, str, str, Descriptor]]:
    chain: list[str] = digests.chain_ids(image.config.diff_ids)
    return list(zip([None, *chain], chain, image.config.diff_ids, image.layers, strict=False))


def _digest_of(path: Path, like: str) -> str:
    hasher = Hasher(like)
    with path.open("rb", buffering=0) as file:
        while data := file.read(_READ):
            hasher.update(data)
        # It is read once: what others have in memory is worth more.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return hasher.digest


def _freed(size: int) -> str:
    return f"{size} bytes freed" if size else ""
