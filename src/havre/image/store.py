"""The images of one daemon: found by name and id, added, tagged, deleted; and what they no longer need taken away.

Container creation, pull, load and Docker's image verbs come in here. Records are in SQLite with an index in memory.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from havre.errors import Conflict, HavreError, InvalidParameter, NotFound
from havre.image import config as configs
from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.config import ImageConfig
from havre.image.layers import LayerStore
from havre.image.manifest import Descriptor, Platform
from havre.image.snapshots import Snapshotter
from havre.lib import references
from havre.lib.references import Reference
from havre.store.db import Connection, Database

log = logging.getLogger(__name__)

# How long content without an image is kept: a broken-off pull that is tried again finds its finished layers.
KEEP_UNUSED = 24 * 3600.0


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of an image beside its configuration. Times in nanoseconds since 1970, 0: never."""

    layers: list[Descriptor]
    manifest: Descriptor | None = None
    parent: str | None = None
    added: int = 0
    tagged: int = 0


@dataclass(frozen=True)
class Image:
    """One image. ``id`` is the digest of its configuration; ``layers`` are its blobs, bottom first.

    ``repo_tags`` and ``repo_digests`` are its names in the short form, ``size`` the bytes of its files in all layers.
    """

    id: str
    config: ImageConfig
    record: Record
    names: tuple[Reference, ...] = ()
    size: int = 0
    layer_sizes: tuple[int, ...] = field(default=(), repr=False)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return tuple(self.record.layers)

    @property
    def manifest(self) -> Descriptor | None:
        """The manifest it was pulled or loaded by; None when there was none."""
        return self.record.manifest

    @cached_property
    def chain_ids(self) -> tuple[str, ...]:
        """The snapshots of its layers, bottom first."""
        return tuple(digests.chain_ids(self.config.diff_ids))

    @property
    def chain_id(self) -> str | None:
        """The snapshot a container stands on; None for an image without layers."""
        return self.chain_ids[-1] if self.chain_ids else None

    @property
    def repo_tags(self) -> tuple[str, ...]:
        return tuple(name.familiar() for name in self.names if name.tag is not None)

    @property
    def repo_digests(self) -> tuple[str, ...]:
        return tuple(name.familiar() for name in self.names if name.digest is not None)


class ImageStore:
    """Images by name and id. Changes are durable when a call returns."""

    def __init__(self, db: Database, blobs: BlobStore, layers: LayerStore, snapshotter: Snapshotter) -> None:
        self._db = db
        self._blobs = blobs
        self._layers = layers
        self._snapshotter = snapshotter
        self._images: dict[str, Image] = {}
        self._names: dict[Reference, str] = {}
        self._holds = 0
        # What is asked for at once is done in turn: each finds what the one before has left.
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Read the records and clear away content that nothing has needed for a day."""
        records, names = await self._db.read(_load)
        for name, image_id in names:
            self._names[references.parse(name, None)] = image_id
        for image_id, record in records:
            try:
                self._images[image_id] = self._read(image_id, record)
            except HavreError as error:
                log.error("image %s is damaged and left out: %s", image_id, error)
        self._names = {name: image_id for name, image_id in self._names.items() if image_id in self._images}
        await self.collect()
        for digest in set(self._blobs.left_behind()) - self._used_content():
            self._blobs.delete(digest)
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
        if platform is not None and not platform.runs(image.config.platform):
            raise NotFound(
                f"image with reference {ref} was found but its platform ({image.config.platform}) "
                f"does not match the specified platform ({platform})"
            )
        return image

    def get(self, image_id: str) -> Image | None:
        """The image with exactly this id."""
        return self._images.get(image_id)

    def named(self, name: Reference) -> Image | None:
        """The image with exactly this tag or digest."""
        image_id = self._names.get(name)
        return self._images[image_id] if image_id is not None else None

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
            return self._images.get(image_id), image_id
        try:
            name = references.parse(ref)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        # With a tag and a digest the digest decides: the tag may have moved on.
        found = self._names.get(name.with_digest(name.digest) if name.digest else name) or self._by_prefix(ref)
        return (self._images[found] if found else None), name.familiar()

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
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    async def add(
        self,
        config_digest: str,
        layers: Sequence[Descriptor],
        manifest: Descriptor | None = None,
        names: Sequence[Reference] = (),
        parent: str | None = None,
    ) -> Image:
        """Make an image of a stored configuration and unpacked layers, and give it ``names`` (taken from others).

        ``layers`` are the blobs, bottom first, as many as the configuration has diff ids. An image that is there
        already keeps its record and only gets the names (and the manifest, when it had none).
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
            await self._db.write(lambda connection: _put(connection, config_digest, record, names))
            self._images[config_digest] = image
            self._rename(names, config_digest)
            return self._images[config_digest]

    async def tag(self, image_id: str, name: Reference) -> None:
        """Call the image ``name``, taking the name from another image if need be. ``NotFound`` if it has gone."""
        async with self._changing:
            image = self._images.get(image_id)
            if image is None:
                raise NotFound(f"No such image: {image_id}")
            record = msgspec.structs.replace(image.record, tagged=time.time_ns())
            await self._db.write(lambda connection: _put(connection, image_id, record, [name]))
            self._images[image_id] = replace(image, record=record)
            self._rename([name], image_id)

    async def untag(self, name: Reference) -> None:
        """Take the name away, if there is such a one; the image stays."""
        async with self._changing:
            if (image_id := self._names.get(name)) is None:
                return  # somebody else was faster
            await self._db.write(lambda connection: _drop_name(connection, name), frees_room=True)
            del self._names[name]
            self._refresh(image_id)

    async def delete(self, image_id: str) -> list[str]:
        """Forget the image and its names, and take away what only it needed.

        Returns the chain ids of the layers removed, top first. Layers a container stands on stay until ``collect``.
        ``NotFound`` if it has gone.
        """
        async with self._changing:
            image = self._images.get(image_id)
            if image is None:
                raise NotFound(f"No such image: {image_id}")
            await self._db.write(lambda connection: _drop_image(connection, image_id), frees_room=True)
            del self._images[image_id]
            for name in image.names:
                self._names.pop(name, None)
        removed = await self.collect()
        if not self._holds:
            for digest in _content(image) - self._used_content():
                self._blobs.delete(digest)
        return removed

    # -- taking away --------------------------------------------------------------------------------------------------

    async def collect(self) -> list[str]:
        """Remove layers that no image has and no container stands on; returns their chain ids, top first.

        To be called when a container's snapshot has gone. Does nothing while an image is being put together: the next
        call sees to it.
        """
        removed: list[str] = []
        while (key := self._unused_layer()) is not None:
            try:
                await self._snapshotter.remove(key)
            except (Conflict, NotFound):  # taken up, or taken away, by somebody else meanwhile
                break
            removed.append(key)
        return removed

    def _unused_layer(self) -> str | None:
        """A layer that nothing needs now, none while an image is being put together."""
        if self._holds:
            return None
        used = {chain_id for image in self._images.values() for chain_id in image.chain_ids}
        snapshots = self._snapshotter.all().values()
        parents = {snapshot.parent for snapshot in snapshots}
        return next((s.key for s in snapshots if s.committed and s.key not in used and s.key not in parents), None)

    async def abandon(self, blobs: Iterable[str]) -> None:
        """Clear away after an image that came to nothing: layers without an image, and ``blobs`` no image has."""
        await self.collect()
        if not self._holds:
            for digest in set(blobs) - self._used_content():
                self._blobs.delete(digest)

    async def prune_content(self, older_than: float = 0.0) -> int:
        """Delete blobs no image has, untouched for ``older_than`` seconds; returns the bytes."""
        if self._holds:
            return 0
        self._blobs.drop_staged()
        return sum(self._blobs.delete(digest) for digest, _ in self._blobs.unused(self._used_content(), older_than))

    def partial_bytes(self) -> int:
        """Bytes of broken-off downloads."""
        return self._blobs.partials.size()

    def prune_partials(self) -> int:
        """Delete broken-off downloads that nobody carries on right now; returns the bytes."""
        return self._blobs.partials.drop()

    def _used_content(self) -> set[str]:
        return set().union(*(_content(image) for image in self._images.values()))

    # -- the index ----------------------------------------------------------------------------------------------------

    def _read(self, image_id: str, record: Record) -> Image:
        config = configs.parse(self._blobs.read(image_id, configs.LARGEST))
        image = Image(image_id, config, record)
        sizes = tuple(self._layers.usage(chain_id).size for chain_id in image.chain_ids)
        return replace(image, names=self._names_of(image_id), size=sum(sizes), layer_sizes=sizes)

    def _names_of(self, image_id: str) -> tuple[Reference, ...]:
        return tuple(sorted((n for n, i in self._names.items() if i == image_id), key=Reference.canonical))

    def _rename(self, names: Sequence[Reference], image_id: str) -> None:
        losers = {self._names[name] for name in names if name in self._names}
        for name in names:
            self._names[name] = image_id
        for changed in losers | {image_id}:
            self._refresh(changed)

    def _refresh(self, image_id: str) -> None:
        self._images[image_id] = replace(self._images[image_id], names=self._names_of(image_id))


def _content(image: Image) -> set[str]:
    found = {image.id, *(layer.digest for layer in image.record.layers)}
    if image.manifest is not None:
        found.add(image.manifest.digest)
    return found


def _load(connection: Connection) -> tuple[list[tuple[str, Record]], list[tuple[str, str]]]:
    images = [
        (row["id"], msgspec.json.decode(row["body"], type=Record)) for row in connection.execute("SELECT * FROM images")
    ]
    names = [(row["name"], row["image"]) for row in connection.execute("SELECT * FROM image_names")]
    return images, names


def _put(connection: Connection, image_id: str, record: Record, names: Sequence[Reference]) -> None:
    connection.execute(
        "INSERT INTO images VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (image_id, msgspec.json.encode(record)),
    )
    for name in names:
        connection.execute("INSERT OR REPLACE INTO image_names VALUES (?, ?)", (name.canonical(), image_id))


def _drop_name(connection: Connection, name: Reference) -> None:
    connection.execute("DELETE FROM image_names WHERE name = ?", (name.canonical(),))


def _drop_image(connection: Connection, image_id: str) -> None:
    connection.execute("DELETE FROM image_names WHERE image = ?", (image_id,))
    connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
