"""The images of one daemon: found by name and id, added, tagged, deleted; and what they no longer need taken away.

Container creation, pull, load and Docker's image verbs come in here. Records are in SQLite with an index in memory.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from havre.errors import Conflict, HavreError, InvalidParameter, NotFound
from havre.image import config as configs
from havre.image import digest as digests
from havre.image import records
from havre.image.blobs import BlobStore
from havre.image.content import Content
from havre.image.documents import Documents
from havre.image.layers import LayerStore
from havre.image.manifest import Descriptor, Platform, best
from havre.image.names import Name, Names
from havre.image.records import Image, Record
from havre.image.snapshots import Snapshotter
from havre.lib import references
from havre.lib.references import Reference
from havre.store.db import Connection, Database

__all__ = ["Image", "ImageStore"]

log = logging.getLogger(__name__)

# How long content without an image is kept: a broken-off pull that is tried again finds its finished layers.
KEEP_UNUSED = 24 * 3600.0


class ImageStore:
    """Images by name and id. Changes are durable when a call returns.

    ``documents`` are the manifests and indexes that names stand for, ``content`` knows what of all content is needed.
    """

    def __init__(self, db: Database, blobs: BlobStore, layers: LayerStore, snapshotter: Snapshotter) -> None:
        self._db = db
        self._blobs = blobs
        self._layers = layers
        self._snapshotter = snapshotter
        self._images: dict[str, Image] = {}
        self.documents = Documents(blobs)
        self._names = Names(self.documents, self._platform_of)
        self.content = Content(db, blobs, snapshotter, self.documents, self._names, self._images)
        self.unreadable: dict[str, str] = {}  # ids of images whose records could not be read at start, and why
        # What is asked for at once is done in turn: each finds what the one before has left.
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Read the records and clear away content that nothing has needed for a day."""
        stored = await self._db.read(records.load)
        self.content.compressed.update(stored.compressed)
        for image_id, record in stored.images:
            try:
                self._images[image_id] = self._read(image_id, record)
            except HavreError as error:
                log.error("image %s is damaged and left out: %s", image_id, error)
                self.unreadable[image_id] = error.message
            else:
                self._load_documents(record.manifest)
        for text, image_id, target in stored.names:
            if image_id in self._images:
                name = references.parse(text, None)
                # Names of before targets were kept.
                target = target or name.digest
                self._names.put(name, Name(image_id, target if target and self.documents.load(target) else None))
        self._names.changed()
        for image_id in self._images:
            self._refresh(image_id)
        await self.collect()
        self.content.delete_unused(self._blobs.left_behind())
        await self.prune_content(KEEP_UNUSED)
        self._blobs.partials.bound()

    # -- finding ------------------------------------------------------------------------------------------------------

    def resolve(self, ref: str, platform: Platform | None = None) -> Image:
        """The image called ``ref``: name, name:tag, name@digest, id, or an id's beginning that fits only one.

        Raises ``NotFound`` ("No such image: …"), also when it is not for ``platform``; ``InvalidParameter`` when
        ``ref`` is malformed.
        """
        image, shown = self._find(ref)
        if image is None:
            raise NotFound(f"No such image: {shown}")
        if platform is None:
            return image
        variants = self.variants(ref)
        chosen = best(platform, {each.id: each.config.platform for each in variants})
        if chosen is not None:
            return self._images[chosen]
        if len(variants) > 1:
            raise NotFound(
                f"image with reference {ref} was found but does not provide the specified platform ({platform})"
            )
        raise NotFound(
            f"image with reference {ref} was found but its platform ({image.config.platform}) "
            f"does not match the specified platform ({platform})"
        )

    def variants(self, ref: str) -> list[Image]:
        """The images for all platforms that ``ref`` stands for, as ``resolve``; the one that is meant first."""
        meant = self.resolve(ref)
        ids = (meant.id, *self._names.variants(self.target(ref)))
        return [self._images[image_id] for image_id in dict.fromkeys(ids)]

    def target(self, ref: str) -> str | None:
        """The digest of the index or manifest that ``ref`` stands for; None where there is none."""
        image = self.resolve(ref)
        exact = self._exact(ref)
        if exact is not None:
            return exact.target
        named = [self._names.get(name) for name in image.names]
        found = next((at.target for at in named if at is not None and at.target), None)
        return found or (image.manifest.digest if image.manifest is not None else None)

    def reaching(self, image_id: str) -> list[Reference]:
        """All names that stand for the image, among those for other platforms too."""
        return self._names.reaching(image_id)

    def provides(self, name: Reference, image_id: str, target: str | None) -> bool:
        """Whether ``name`` stands for this document (if that is here) already, and for this image with it."""
        known = self._names.get(name)
        if known is None or known.target != (target if self.documents.get(target) else None):
            return False
        return image_id == known.image or image_id in self._names.variants(target)

    def get(self, image_id: str) -> Image | None:
        """The image with exactly this id."""
        return self._images.get(image_id)

    def named(self, name: Reference) -> Image | None:
        """The image with exactly this tag or digest."""
        found = self._names.get(name)
        return self._images[found.image] if found is not None else None

    def all(self) -> list[Image]:
        """Every image, in no particular order."""
        return list(self._images.values())

    def kept_as(self, chain_id: str) -> Descriptor | None:
        """The blob that the top layer of this stack is kept as, when an image here has it and it is unpacked."""
        for image in self._images.values():
            if chain_id in image.chain_ids:
                return image.record.layers[image.chain_ids.index(chain_id)]
        return None

    def children(self, image_id: str) -> list[Image]:
        """The images made from this one by a build."""
        return [image for image in self._images.values() if image.record.parent == image_id]

    def _find(self, ref: str) -> tuple[Image | None, str]:
        if digests.is_id(ref):
            image_id = ref if ref.startswith("sha256:") else f"sha256:{ref}"
            return self._images.get(image_id) or self._by_document(image_id), image_id
        try:
            name = references.parse(ref)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        exact = self._exact(ref)
        found = exact.image if exact is not None else self._by_prefix(ref)
        return (self._images[found] if found else None), name.familiar()

    def _exact(self, ref: str) -> Name | None:
        """What is called exactly so. ``ref`` may also be an id, which names nothing here."""
        if digests.is_id(ref):
            return None
        name = references.parse(ref)
        # With a tag and a digest the digest decides: the tag may have moved on.
        return self._names.get(name.with_digest(name.digest) if name.digest else name)

    def _by_document(self, digest: str) -> Image | None:
        """The image of an index or a manifest, as listings of platforms and other stores call it."""
        for _, at in self._names.items():
            if at.target == digest:
                return self._images[at.image]
        for each in self._images.values():
            if each.manifest is not None and each.manifest.digest == digest:
                return each
        return None

    def _by_prefix(self, ref: str) -> str | None:
        prefix = ref if ref.startswith("sha256:") else f"sha256:{ref}"
        if len(prefix) == len("sha256:"):
            return None
        found = [image_id for image_id in self._images if image_id.startswith(prefix)]
        return found[0] if len(found) == 1 else None

    # -- changing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep all content while an image is being put together: nothing is collected inside."""
        with self.content.hold():
            yield

    async def add(
        self,
        config_digest: str,
        layers: Sequence[Descriptor],
        manifest: Descriptor | None = None,
        names: Sequence[Reference] = (),
        parent: str | None = None,
        target: str | None = None,
    ) -> Image:
        """Make an image of a stored configuration and unpacked layers, and give it ``names`` (taken from others).

        ``layers`` are the blobs, bottom first, as many as the configuration has diff ids. ``target`` is the index or
        manifest that the names stand for, stored before. An image that is there already keeps its record and only gets
        the names (and the manifest, when it had none).
        """
        async with self._changing:
            known = self._images.get(config_digest)
            now = time.time_ns()
            if known is None:
                record = Record(layers=list(layers), manifest=manifest, parent=parent, added=now)
            elif known.record.manifest:
                record = known.record
            else:
                record = msgspec.structs.replace(known.record, manifest=manifest)
            if names:
                record = msgspec.structs.replace(record, tagged=now)
            image = self._read(config_digest, record)
            if len(record.layers) != len(image.config.diff_ids):
                raise InvalidParameter(
                    f"invalid image: {len(record.layers)} layers, but {len(image.config.diff_ids)} in its configuration"
                )
            await self._put(image, names, target)
            return self._images[config_digest]

    async def tag(self, image_id: str, name: Reference, target: str | None = None) -> None:
        """Call the image ``name``, taking the name from another image if need be. ``NotFound`` if it has gone.

        ``target`` is the index or manifest that the name stands for.
        """
        async with self._changing:
            image = self._images.get(image_id)
            if image is None:
                raise NotFound(f"No such image: {image_id}")
            record = msgspec.structs.replace(image.record, tagged=time.time_ns())
            await self._put(replace(image, record=record), [name], target)

    async def forget_unreadable(self) -> None:
        """Drop the records that could not be read."""
        await self._db.write(lambda connection: records.drop_images(connection, list(self.unreadable)))
        self.unreadable = {}

    async def untag(self, name: Reference) -> None:
        """Take the name away, if there is such a one; the image stays."""
        async with self._changing:
            if (at := self._names.get(name)) is None:
                return  # somebody else was faster
            behind = self.content.behind([name])
            await self._db.write(lambda connection: records.drop_name(connection, name), frees_room=True)
            self._names.drop([name])
            self._refresh(at.image)
            self.content.delete_unused(behind)

    async def delete(self, image_id: str) -> list[str]:
        """Forget the image and its names, and take away what only it needed.

        A name that stands for other platforms' images as well goes on standing for those. Returns the chain ids of the
        layers removed, top first. Layers a container stands on stay until ``collect``. ``NotFound`` if it has gone.
        """
        async with self._changing:
            image = self._images.get(image_id)
            if image is None:
                raise NotFound(f"No such image: {image_id}")
            before = self.content.of(image)
            moved = self._moved(image)

            def forget(connection: Connection) -> None:
                records.put_names(connection, moved)
                records.drop_images(connection, [image_id])

            await self._db.write(forget, frees_room=True)
            del self._images[image_id]
            self._names.drop(image.names)
            self._names.changed()
            for name, at in moved:
                self._names.put(name, at)
                self._refresh(at.image)
        removed = await self.collect()
        self.content.delete_unused(before)
        return removed

    async def _put(self, image: Image, names: Sequence[Reference], target: str | None) -> None:
        """Make the image and what it is called durable, and known."""
        self._load_documents(image.manifest)
        if target is not None and self.documents.load(target) is None:
            target = None
        before = self._images.get(image.id)
        self._images[image.id] = image
        self._names.changed()
        # A name that is a digest tells itself what it stands for.
        targets = {name: target or (name.digest if self.documents.get(name.digest) else None) for name in names}
        given = [(name, Name(self._names.meant(at, image.id), at)) for name, at in targets.items()]
        # Another name's meaning may change with one more platform here.
        given += [(n, m) for n, m in self._renewed() if n not in targets]
        try:
            await self._db.write(lambda connection: records.put(connection, image.id, image.record, given))
        except BaseException:
            if before is None:
                del self._images[image.id]
            else:
                self._images[image.id] = before
            self._names.changed()
            raise
        behind = self.content.behind(name for name, _ in given)
        losers = {at.image for name, _ in given if (at := self._names.get(name)) is not None}
        for name, at in given:
            self._names.put(name, at)
        for changed in losers | {image.id} | {at.image for _, at in given}:
            self._refresh(changed)
        self.content.delete_unused(behind)

    def _renewed(self) -> list[tuple[Reference, Name]]:
        """Names that mean another image than they did."""
        found = []
        for name, at in self._names.items():
            meant = self._names.meant(at.target, at.image)
            if meant != at.image:
                found.append((name, Name(meant, at.target)))
        return found

    def _moved(self, image: Image) -> list[tuple[Reference, Name]]:
        """What the names of the image stand for without it; those that then stand for nothing are left out."""
        found = []
        for name in image.names:
            at = self._names.get(name)
            others = [other for other in self._names.variants(at.target if at else None) if other != image.id]
            if at is not None and others:
                found.append((name, Name(others[0], at.target)))
        return found

    # -- taking away --------------------------------------------------------------------------------------------------

    async def collect(self) -> list[str]:
        """Remove layers that no image has and no container stands on; returns their chain ids, top first.

        To be called when a container's snapshot has gone. Does nothing while an image is being put together: the next
        call sees to it.
        """
        removed: list[str] = []
        while not self.content.held and (key := self.content.unused_layer()) is not None:
            try:
                await self._snapshotter.remove(key)
            except (Conflict, NotFound):  # taken up, or taken away, by somebody else meanwhile
                break
            removed.append(key)
        return removed

    async def abandon(self, blobs: Iterable[str]) -> None:
        """Clear away after an image that came to nothing: layers without an image, and ``blobs`` no image has."""
        await self.collect()
        self.content.delete_unused(blobs)

    async def prune_content(self, older_than: float = 0.0) -> int:
        """Delete blobs no image has, untouched for ``older_than`` seconds; returns the bytes."""
        if self.content.held:
            return 0
        await self.content.forget_compressed()
        return self.content.prune(older_than)

    def partial_bytes(self) -> int:
        """Bytes of broken-off downloads."""
        return self._blobs.partials.size()

    def prune_partials(self) -> int:
        """Delete broken-off downloads that nobody carries on right now; returns the bytes."""
        return self._blobs.partials.drop()

    # -- the index ----------------------------------------------------------------------------------------------------

    def _read(self, image_id: str, record: Record) -> Image:
        config = configs.parse(self._blobs.read(image_id, configs.LARGEST))
        image = Image(image_id, config, record)
        sizes = tuple(self._layers.usage(chain_id).size for chain_id in image.chain_ids)
        return replace(image, names=self._names.of(image_id), size=sum(sizes), layer_sizes=sizes)

    def _refresh(self, image_id: str) -> None:
        if image_id in self._images:
            self._images[image_id] = replace(self._images[image_id], names=self._names.of(image_id))

    def _platform_of(self, image_id: str) -> Platform | None:
        image = self._images.get(image_id)
        return image.config.platform if image is not None else None

    def _load_documents(self, manifest: Descriptor | None) -> None:
        if manifest is not None:
            self.documents.load(manifest.digest, manifest.media_type)
