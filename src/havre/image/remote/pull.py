"""What ``docker pull`` means: a name becomes an image here, its layers downloaded side by side and unpacked in order.

The engine comes in here for pulls, and container creation for images that are missing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from havre.errors import Forbidden, InvalidParameter, NotFound, SystemFault
from havre.image import config as configs
from havre.image.blobs import BlobStore
from havre.image.config import ImageConfig
from havre.image.digest import chain_ids
from havre.image.layers import LayerStore
from havre.image.manifest import Descriptor, Manifest, Platform, host_platform
from havre.image.remote import attachments, resolve
from havre.image.remote.auth import Auth
from havre.image.remote.download import Downloads
from havre.image.remote.failures import RemoteFailure, translated
from havre.image.remote.places import BlobPlaces
from havre.image.remote.progress import Channel, Message, Row
from havre.image.remote.repository import Registries
from havre.image.remote.transfers import Transfers
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference


class Puller:
    """Pulls images into the stores it is given."""

    def __init__(
        self, blobs: BlobStore, images: ImageStore, layers: LayerStore, registries: Registries, places: BlobPlaces
    ) -> None:
        self._blobs = blobs
        self._places = places
        self._images = images
        self._layers = layers
        self._registries = registries
        self._downloads = Downloads(blobs)
        self._pulls = Transfers("pull", images)

    async def close(self) -> None:
        """Break off all pulls. What they have on disk stays for the next attempt."""
        await self._pulls.close()
        await self._downloads.close()

    def pull(
        self, reference: Reference, platform: Platform | None = None, auth: Auth | None = None, all_tags: bool = False
    ) -> AsyncIterator[Message]:
        """Pull ``reference``, or all tags of its repository, and give Docker's progress messages meanwhile.

        ``platform`` None means this host's. When the iteration ends, the image is there, tagged and durable. Errors are
        ``HavreError``, with dockerd's texts; those of finding the image come before the first message, so that the door
        can still answer with a status. Closing the iterator breaks the pull off; what it has on disk stays.
        """
        return self._pulls.run(
            reference.familiar(),
            lambda channel: self._all(channel, reference, platform, auth, all_tags),
            lambda failure: translated(failure, reference),
        )

    async def _all(
        self, channel: Channel, reference: Reference, platform: Platform | None, auth: Auth | None, all_tags: bool
    ) -> None:
        if reference.familiar_name == "scratch":
            raise Forbidden("'scratch' is a reserved name")
        source = await resolve.source(self._registries, reference, auth)
        references = [reference]
        if all_tags:
            references = [reference.with_tag(tag) for tag in await source.tags()]
        news = False
        for each in references:
            news |= await self._one(channel, source, each, platform)
        shown = reference.familiar_name if all_tags else reference.familiar()
        status = "Downloaded newer image" if news else "Image is up to date"
        channel.post({"status": f"Status: {status} for {shown}"})
        if platform is not None and not all_tags:
            self._warn_of_mismatch(channel, reference, platform)

    async def _one(
        self, channel: Channel, source: resolve.Source, reference: Reference, platform: Platform | None
    ) -> bool:
        """Pull one tag or digest; tells whether it stands for another image than before."""
        begin = {
            "status": f"Pulling from {reference.path}",
            "id": reference.canonical() if reference.digest else reference.tag,
        }
        if (known := await self._known(source, reference, platform)) is not None:
            digest, here = known
            channel.post(begin)
            channel.post({"status": f"Digest: {digest}"})
            return await self._enter(reference, digest, here.id, here.layers)
        found, source = await source.find(reference)
        channel.post(begin)
        chosen = await source.choose(reference, found, platform)
        manifest, image_id = chosen.manifest, chosen.manifest.config.digest
        layers: Sequence[Descriptor] = manifest.layers
        image = self._images.get(image_id)
        if image is None or not self._whole(image):
            config = await self._config(manifest, source)
            layers = await self._fill(channel, source, manifest, config)
        await attachments.fetch(source, reference, chosen, self._blobs)
        channel.post({"status": f"Digest: {found.digest}"})
        for document in chosen.documents:
            await self._blobs.add(document.body, document.digest)
        descriptor = None
        # A manifest that lists other blobs than those kept would be of no use to whoever saves the image.
        if all(self._blobs.exists(layer.digest) for layer in manifest.layers):
            descriptor = chosen.descriptor
            blobs = [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
            await self._places.note(reference.domain, reference.path, blobs)
        return await self._enter(reference, found.digest, image_id, layers, descriptor)

    async def _known(
        self, source: resolve.Source, reference: Reference, platform: Platform | None
    ) -> tuple[str, Image] | None:
        """What ``reference`` stands for, if that was pulled before: then its manifest need not be fetched again.

        Registries count manifests as pulls, and let each client have so many a day.
        """
        digest = reference.digest
        if digest is None:
            here = (name for image in self._images.all() for name in image.names)
            if not any(name.repository == reference.repository for name in here):
                return None
            digest = await source.digest_of(reference.tag or "")
        try:
            image = self._images.resolve(reference.with_digest(digest or "").canonical(), platform or host_platform())
        except (ValueError, NotFound, InvalidParameter):
            return None
        return (digest, image) if digest is not None and self._whole(image) else None

    def _whole(self, image: Image) -> bool:
        """Whether all its content is here: what a check has deleted as damaged comes back with a pull."""
        manifest = [image.manifest] if image.manifest is not None else []
        return all(map(self._blobs.exists, [image.id, *(blob.digest for blob in (*image.layers, *manifest))]))

    async def _enter(
        self,
        reference: Reference,
        digest: str,
        image_id: str,
        layers: Sequence[Descriptor],
        manifest: Descriptor | None = None,
    ) -> bool:
        """Make the image known under ``reference`` and its ``digest``; tells whether it was not before."""
        names = [reference.with_digest(digest)]
        if reference.tag is not None and reference.digest is None:
            names.append(reference)
        known = [self._images.provides(name, image_id, digest) for name in names]
        before = self._images.named(names[-1])
        if not all(known):
            await self._images.add(image_id, layers, manifest, names, target=digest)
        # What has only got its index was the same image before.
        return not known[-1] and (before is None or before.id != image_id)

    async def _config(self, manifest: Manifest, source: resolve.Source) -> ImageConfig:
        described = manifest.config
        if self._blobs.exists(described.digest):
            data = self._blobs.read(described.digest, configs.LARGEST)
        else:
            try:
                data = await source.content(described, configs.LARGEST)
            except RemoteFailure as failure:
                raise SystemFault(f"error pulling image configuration: {failure.text}") from None
            await self._blobs.add(data, described.digest)
        config = configs.parse(data)
        if len(config.diff_ids) != len(manifest.layers):
            raise InvalidParameter("layers from manifest don't match image configuration")
        if config.os != "linux":
            raise InvalidParameter(f'image operating system "{config.os}" cannot be used on this platform')
        return config

    async def _fill(
        self, channel: Channel, source: resolve.Source, manifest: Manifest, config: ImageConfig
    ) -> list[Descriptor]:
        """Have all layers unpacked, and return the blobs they are kept as: the manifest's, or ones of equal content."""
        slots = asyncio.Semaphore(self._registries.config.downloads)
        chain = chain_ids(config.diff_ids)
        layers = self._kept(chain, manifest.layers)
        rows: dict[str, Row] = {}
        arrivals: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            for name, blob in zip(chain, layers, strict=True):
                if blob.digest in rows:
                    continue  # the same layer twice in one image: one row, one download
                row = rows[blob.digest] = Row(channel, blob.digest.partition(":")[2][:12])
                if self._layers.exists(name) and self._blobs.exists(blob.digest):
                    row.say("Already exists")
                    continue
                row.say("Pulling fs layer")
                fetching = self._downloads.fetch(blob, source.repositories, slots, row)
                arrivals[blob.digest] = group.create_task(fetching)
            parent: str | None = None
            for diff_id, blob in zip(config.diff_ids, layers, strict=True):
                arrival = arrivals.pop(blob.digest, None)
                if arrival is not None:
                    await arrival
                parent = await self._unpack(parent, diff_id, blob, rows[blob.digest] if arrival else None)
        return layers

    async def _unpack(self, parent: str | None, diff_id: str, blob: Descriptor, row: Row | None) -> str:
        if row is None:
            return await self._layers.ensure(parent, diff_id, blob)
        chain_id = await self._layers.ensure(
            parent, diff_id, blob, lambda consumed: row.bar("Extracting", min(consumed, blob.size), blob.size)
        )
        row.say("Pull complete")
        return chain_id

    def _kept(self, chain: list[str], wanted: list[Descriptor]) -> list[Descriptor]:
        """``wanted``, where a layer is not here as the blob wanted but as another (compressed otherwise) that one."""
        known = {
            name: blob
            for image in self._images.all()
            for name, blob in zip(image.chain_ids, image.layers, strict=True)
            if name in chain
        }
        kept = []
        for name, blob in zip(chain, wanted, strict=True):
            other = known.get(name, blob)
            kept.append(other if not self._blobs.exists(blob.digest) and self._blobs.exists(other.digest) else blob)
        return kept

    def _warn_of_mismatch(self, channel: Channel, reference: Reference, platform: Platform) -> None:
        # An image without an index is for one platform, whatever was asked for; dockerd gives it, with a warning.
        image = self._images.named(reference.with_digest(reference.digest) if reference.digest else reference)
        if image is not None and not platform.runs(image.config.platform):
            channel.post(
                {
                    "status": f"WARNING: image with reference {reference.familiar()} was found but its platform "
                    f"({image.config.platform}) does not match the specified platform ({platform})"
                }
            )
