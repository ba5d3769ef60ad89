"""``docker load``: images from an archive, in the form of ``docker save`` (old and new) or as an OCI layout.

The engine comes in here. Nothing is believed: every file is hashed on arrival, a configuration must be what its name
says where its name says something, a layer what the configuration says, and a blob what its descriptor says.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from havre.errors import InvalidParameter, NotFound
from havre.image import archive as archives
from havre.image import config as configs
from havre.image import intake
from havre.image.archive import Group, Wanted
from havre.image.blobs import BlobStore
from havre.image.config import ImageConfig
from havre.image.digest import chain_ids
from havre.image.intake import File
from havre.image.layers import LayerStore
from havre.image.manifest import Descriptor, Platform, best, host_platform
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference
from havre.lib.tasks import TaskOwner


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image the archive held: its names there, and which of them another image lost to it."""

    image: Image
    names: tuple[Reference, ...]
    taken: tuple[tuple[Reference, str], ...]


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """``current`` of ``total`` bytes of the layer ``diff_id`` are unpacked."""

    diff_id: str
    current: int
    total: int


class Loader:
    """Loads archives into the stores it is given."""

    def __init__(self, blobs: BlobStore, layers: LayerStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._layers = layers
        self._images = images
        self._tasks = TaskOwner("load")

    async def load(
        self, chunks: AsyncIterator[bytes], platforms: Sequence[Platform] = ()
    ) -> AsyncIterator[LayerProgress | Loaded]:
        """Take in the archive ``chunks`` and yield what happens. An image is durable when its ``Loaded`` comes.

        Of several platforms all are taken, or only ``platforms``. Raises ``InvalidParameter`` for what is no sound
        archive, ``NotFound`` when it has none of the platforms; images already yielded stay.
        """
        adopted: set[str] = set()
        try:
            with self._images.hold():
                async with intake.files(chunks, self._blobs) as archive:
                    groups = archives.described(archive)
                    if not groups:
                        raise InvalidParameter("archive holds no image")
                    if platforms:
                        groups = _for_platforms(groups, platforms)
                    for group in groups:
                        async for event in self._group(group, adopted):
                            yield event
        except BaseException:
            await self._images.abandon(adopted)
            raise

    async def _group(self, group: Group, adopted: set[str]) -> AsyncIterator[LayerProgress | Loaded]:
        """Load what one name stands for: the image that is meant last, with the name, when all of it is here."""
        offered = {number: _config(member).platform for number, member in enumerate(group.members)}
        meant = best(host_platform(), offered) or 0
        for number, member in enumerate(group.members):
            if number != meant:
                async for event in self._one(member, (), None, adopted):
                    if isinstance(event, LayerProgress):
                        yield event
        for file, digest in group.documents:
            adopted.add(digest)
            await self._blobs.adopt(file.path, digest)
        async for event in self._one(group.members[meant], group.names, group.target, adopted):
            yield event

    async def _one(
        self, wanted: Wanted, names: tuple[Reference, ...], target: str | None, adopted: set[str]
    ) -> AsyncIterator[LayerProgress | Loaded]:
        config = _config(wanted)
        if len(config.diff_ids) != len(wanted.layers):
            raise InvalidParameter(
                f"invalid manifest, layers length mismatch: expected {len(wanted.layers)}, got {len(config.diff_ids)}"
            )
        kept: list[Descriptor] = []
        parent: str | None = None
        for (file, described), diff_id, chain_id in zip(
            wanted.layers, config.diff_ids, chain_ids(config.diff_ids), strict=True
        ):
            known = self._images.kept_as(chain_id)
            same = known is not None and (known.digest == described.digest or wanted.manifest is None)
            # What a check has deleted as damaged comes back.
            if known is not None and same and self._blobs.exists(known.digest):
                kept.append(known)
            else:
                adopted.add(described.digest)
                async for progress in self._unpack(parent, diff_id, file, described):
                    yield progress
                kept.append(described)
            parent = chain_id
        for small in filter(None, (wanted.config, wanted.manifest and wanted.manifest[0])):
            adopted.add(small.digest)
            await self._blobs.adopt(small.path, small.digest)
        before = {name: self._images.named(name) for name in names}
        image = await self._images.add(
            wanted.config.digest, kept, wanted.manifest[1] if wanted.manifest else None, names, target=target
        )
        taken = tuple((name, old.id) for name, old in before.items() if old is not None and old.id != image.id)
        yield Loaded(image, names, taken)

    async def _unpack(
        self, parent: str | None, diff_id: str, file: File, described: Descriptor
    ) -> AsyncIterator[LayerProgress]:
        """Keep the blob and unpack it, side by side: one waits for the disk, the other works."""
        consumed: asyncio.Queue[int | None] = asyncio.Queue()
        failures: list[Exception] = []

        async def work() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._blobs.adopt(file.path, described.digest))
                    group.create_task(
                        self._layers.ensure(parent, diff_id, described, consumed.put_nowait, source=file.path)
                    )
            except* Exception as errors:
                failures.extend(errors.exceptions)
            finally:
                consumed.put_nowait(None)

        task = self._tasks.start(work(), f"unpack {diff_id}")
        try:
            while (current := await consumed.get()) is not None:
                yield LayerProgress(diff_id, current, file.size)
        finally:
            task.cancel()
            await asyncio.wait([task])
        if failures:
            raise failures[0]
        yield LayerProgress(diff_id, file.size, file.size)


def _config(wanted: Wanted) -> ImageConfig:
    return configs.parse(wanted.config.read(configs.LARGEST))


def _for_platforms(groups: list[Group], platforms: Sequence[Platform]) -> list[Group]:
    """The groups with no more than what is for ``platforms``."""

    def fits(member: Wanted) -> bool:
        offered = _config(member).platform
        return any(platform.runs(offered) for platform in platforms)

    chosen = [replace(group, members=tuple(filter(fits, group.members))) for group in groups]
    if not (found := [group for group in chosen if group.members]):
        asked = ", ".join(map(str, platforms))
        raise NotFound(f"requested platform(s) ({asked}) not found in the archive")
    return found
