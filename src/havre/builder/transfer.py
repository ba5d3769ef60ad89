"""``--cache-from`` and ``--cache-to``: steps taken from caches at registries, and brought there.

A cache that is asked is only read at first; a step's layer is fetched when the step is met.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from havre.builder import portable
from havre.builder.cache import Record
from havre.builder.portable import Done
from havre.builder.trees import Layer
from havre.errors import HavreError, InvalidParameter, NotFound, Unsupported
from havre.image import config as configs
from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.compressing import Compressor
from havre.image.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Manifest, encode, host_platform
from havre.image.remote import resolve
from havre.image.remote.auth import Auth
from havre.image.remote.download import Downloads
from havre.image.remote.failures import RemoteFailure, remote_refused
from havre.image.remote.places import BlobPlaces
from havre.image.remote.progress import Channel, Row
from havre.image.remote.repository import Registries
from havre.image.remote.sessions import UploadSessions
from havre.image.remote.upload import Target, Uploads
from havre.image.remote.writing import WritableRepository
from havre.image.store import Image, ImageStore
from havre.lib import references
from havre.lib.references import Reference

log = logging.getLogger(__name__)

Credentials = Callable[[str], Auth | None]
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cache is or goes. ``everything``: all steps of the build, not only those whose layers are in the image.

    ``reference`` None: in the image itself. ``here``: an image of this name in the store comes first.
    """

    reference: Reference | None
    everything: bool = False
    here: bool = False


def parse(text: str) -> Place:
    """``type=registry,ref=…,mode=max``, ``type=inline``, or a bare name. Raises ``InvalidParameter``."""
    if "=" not in text:
        return Place(_reference(text), here=True)
    fields = dict(item.strip().partition("=")[::2] for item in text.split(","))
    kind, mode = fields.pop("type", "registry"), fields.pop("mode", "min")
    name = fields.pop("ref", "")
    if unknown := ", ".join(fields):
        raise InvalidParameter(f"unknown option of a build cache: {unknown}")
    if mode not in ("min", "max"):
        raise InvalidParameter(f"invalid mode of a build cache: {mode}: it is min or max")
    if kind == "inline":
        return Place(None)
    if kind != "registry":
        raise Unsupported(f"havre does not implement build caches of type {kind}")
    return Place(_reference(name), mode == "max")


@dataclass(frozen=True, slots=True)
class Carrier:
    """Brings caches to and from registries, for all builds of a daemon."""

    blobs: BlobStore
    images: ImageStore
    registries: Registries
    downloads: Downloads
    uploads: Uploads
    compressor: Compressor

    @classmethod
    def of(
        cls,
        blobs: BlobStore,
        images: ImageStore,
        registries: Registries,
        places: BlobPlaces,
        sessions: UploadSessions,
    ) -> "Carrier":
        uploads = Uploads(blobs, places, sessions)
        return cls(blobs, images, registries, Downloads(blobs), uploads, Compressor(blobs, images))

    def transfer(
        self, sources: Sequence[str], targets: Sequence[str], auth: Credentials, warn: Callable[[str], None]
    ) -> "Transfer | None":
        """The caches of a build, in the words of its flags; None for none. Raises ``InvalidParameter``."""
        if not sources and not targets:
            return None
        return Transfer(self, [parse(text) for text in sources], [parse(text) for text in targets], auth, warn)

    async def close(self) -> None:
        """Break off what is being fetched."""
        await self.downloads.close()

    async def open(self, place: Place, auth: Credentials) -> "tuple[dict[str, Record], resolve.Source | None]":
        """The steps of a cache, and where their layers are. Raises ``HavreError`` when there is none."""
        reference = place.reference
        if reference is None:
            raise InvalidParameter("a cache of type inline is taken from its image: type=registry,ref=…")
        if place.here and (image := self._image(reference)) is not None:
            data = self.blobs.read(image.id, configs.LARGEST)
            if (found := portable.read(data, image.layers)) is not None:
                return found, None
        try:
            source = await resolve.source(self.registries, reference, auth(reference.domain))
            document, source = await source.find(reference)
            manifest = (await source.choose(reference, document, None)).manifest
            data = await source.content(manifest.config, configs.LARGEST)
        except RemoteFailure as failure:
            raise remote_refused(failure) from None
        found = portable.read(data, manifest.layers)
        if found is None:
            raise NotFound(f"there is no build cache in {reference.familiar()}")
        return found, source

    def _image(self, reference: Reference) -> Image | None:
        try:
            return self.images.resolve(reference.canonical())
        except NotFound:
            return None

    async def fetch(self, blob: Descriptor, source: resolve.Source) -> None:
        """Have a layer here."""
        await self.downloads.fetch(blob, source.repositories, asyncio.Semaphore(_AT_ONCE), Row(Channel(), ""))

    async def bring(
        self, steps: Sequence[Done], layers: Sequence[Layer], reference: Reference, auth: Auth | None
    ) -> None:
        """Put a cache of these steps at a registry, as an image."""
        config = portable.configuration(steps, layers, host_platform())
        digest = await self.blobs.add(config)
        blobs = [await self.compressor.compressed(layer.blob, layer.diff_id, lambda consumed: None) for layer in layers]
        described = Descriptor(media_type=OCI_CONFIG, digest=digest, size=len(config))
        manifest = encode(Manifest(media_type=OCI_MANIFEST, config=described, layers=blobs))
        try:
            place = (await self.registries.config.places(reference.domain, mirrors=False))[-1]
            repository = await self.registries.open(place, reference.path, auth, WritableRepository)
            target = Target(reference.domain, reference.path, repository)
            for blob in (described, *blobs):
                await self.uploads.bring(blob, target, None)
            await repository.put_manifest(reference.tag or "latest", digests.of(manifest), manifest, OCI_MANIFEST)
        except RemoteFailure as failure:
            raise remote_refused(failure) from None


@dataclass(slots=True)
class Transfer:
    """The caches of one build: what is asked of others, and what is kept for them."""

    carrier: Carrier
    sources: Sequence[Place]
    targets: Sequence[Place]
    auth: Credentials
    warn: Callable[[str], None]
    steps: list[Done] = field(default_factory=list)
    _known: dict[str, tuple[Record, resolve.Source | None]] = field(default_factory=dict)

    @property
    def inline(self) -> bool:
        """Whether the image is to have its cache in it."""
        return any(place.reference is None for place in self.targets)

    async def open(self) -> None:
        """Read what the caches have; warn of those that cannot be used."""
        for place in self.sources:
            try:
                records, source = await self.carrier.open(place, self.auth)
            except HavreError as error:
                name = place.reference.familiar() if place.reference is not None else "inline"
                self.warn(f"the build cache {name} is not used: {error.message}")
                continue
            for key, record in records.items():
                self._known.setdefault(key, (record, source))

    async def find(self, key: str) -> Record | None:
        """The step of this key, its layer here; None when no cache has it or the layer cannot be had."""
        if key not in self._known:
            return None
        record, source = self._known[key]
        if record.layer is not None and not self.carrier.blobs.exists(record.layer.blob.digest):
            try:
                if source is None:
                    return None
                await self.carrier.fetch(record.layer.blob, source)
            except (HavreError, RemoteFailure) as error:
                log.warning("a layer of a build cache cannot be fetched: %s", error)
                return None
        return record

    def note(self, keys: Sequence[str], layer: Layer | None, name: str) -> None:
        """A step of the build is done."""
        self.steps.append(Done(tuple(keys), layer, name))

    def field(self, diff_ids: Sequence[str]) -> Mapping[str, object]:
        """What goes into the configuration of an image with these layers."""
        return {portable.FIELD: portable.field(self.steps, diff_ids)} if self.inline else {}

    async def close(self, diff_ids: Sequence[str]) -> None:
        """Bring the cache where it is to go; ``diff_ids`` are the layers of the image that was built."""
        in_image = frozenset(diff_ids)
        for place in self.targets:
            if place.reference is None:
                continue
            layers = {
                done.layer.diff_id: done.layer
                for done in self.steps
                if done.layer is not None and (place.everything or done.layer.diff_id in in_image)
            }
            ordered = [layers[diff_id] for diff_id in sorted(layers)]
            await self.carrier.bring(self.steps, ordered, place.reference, self.auth(place.reference.domain))


def _reference(name: str) -> Reference:
    try:
        return references.parse(name)
    except ValueError as error:
        raise InvalidParameter(f"invalid name of a build cache {name!r}: {error}") from None
