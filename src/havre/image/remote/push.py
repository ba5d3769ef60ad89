"""What ``docker push`` means: blobs that a registry lacks go there side by side, then the manifests that name them.

The engine comes in here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from havre.errors import NotFound
from havre.image.blobs import BlobStore
from havre.image.compressing import Compressor
from havre.image.manifest import Descriptor, Platform
from havre.image.remote.auth import Auth
from havre.image.remote.failures import remote_refused
from havre.image.remote.places import BlobPlaces
from havre.image.remote.plan import Plan, Planner
from havre.image.remote.progress import Channel, Message, Row
from havre.image.remote.repository import Registries
from havre.image.remote.sessions import UploadSessions
from havre.image.remote.transfers import Transfers
from havre.image.remote.upload import Target, Uploads
from havre.image.remote.writing import WritableRepository
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference

Pushed = Callable[[Reference], None]


class Pusher:
    """Pushes images of the stores it is given."""

    def __init__(
        self,
        blobs: BlobStore,
        images: ImageStore,
        registries: Registries,
        places: BlobPlaces,
        sessions: UploadSessions,
        slots: int,
    ) -> None:
        self._blobs = blobs
        self._images = images
        self._registries = registries
        self._places = places
        self._planner = Planner(blobs, images)
        self._compressor = Compressor(blobs, images)
        self._uploads = Uploads(blobs, places, sessions)
        self._slots = slots
        self._pushes = Transfers("push", images)

    async def close(self) -> None:
        """Break off all pushes. Uploads that have begun are gone on with by the next push."""
        await self._pushes.close()

    def push(
        self,
        reference: Reference,
        platform: Platform | None = None,
        auth: Auth | None = None,
        pushed: Pushed = lambda _: None,
    ) -> AsyncIterator[Message]:
        """Push ``reference``, or all tags of its repository if it has none, and give Docker's progress messages.

        When the iteration ends the registry has acknowledged it, and the name by digest is known here. ``pushed`` is
        told of each name that has gone. Errors are ``HavreError``, with dockerd's texts; they come after the first
        message. Closing the iterator breaks the push off.
        """
        return self._pushes.run(
            reference.familiar(),
            lambda channel: self._all(channel, reference, platform, auth, pushed),
            remote_refused,
        )

    async def _all(
        self, channel: Channel, reference: Reference, platform: Platform | None, auth: Auth | None, pushed: Pushed
    ) -> None:
        channel.post({"status": f"The push refers to repository [{reference.repository}]"})
        names = {name for image in self._images.all() for name in image.names}
        tags = sorted(
            (name for name in names if name.repository == reference.repository and name.tag), key=Reference.canonical
        )
        if not any(name.repository == reference.repository for name in names):
            raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")
        if reference.tag is not None:
            if reference not in names:
                raise NotFound(f"tag does not exist: {reference.familiar()}")
            tags = [reference]
        elif not tags:
            raise NotFound(f"no tags to push for {reference.familiar_name}")
        place = (await self._registries.config.places(reference.domain, mirrors=False))[-1]
        repository = await self._registries.open(place, reference.path, auth, WritableRepository)
        target = Target(reference.domain, reference.path, repository)
        for tag in tags:
            await self._one(channel, target, tag, platform)
            pushed(tag)

    async def _one(self, channel: Channel, target: Target, tag: Reference, platform: Platform | None) -> None:
        """Push one tag, and know here by which digest it is known there."""
        image = self._images.resolve(tag.canonical(), platform)
        rows: dict[str, Row] = {}
        plan = self._planner.plan(tag, platform)
        if isinstance(plan, Image):
            plan = self._planner.made(plan, await self._compressed(channel, plan, rows))
        await self._upload(channel, target, plan, rows)
        for descriptor, body in plan.manifests[:-1]:
            await target.repository.put_manifest(descriptor.digest, descriptor.digest, body, descriptor.media_type)
        root, body = plan.manifests[-1]
        await target.repository.put_manifest(tag.tag or "", root.digest, body, root.media_type)
        await self._blobs.add(body, root.digest)
        name = tag.with_digest(root.digest)
        if not self._images.provides(name, image.id, root.digest):
            await self._images.tag(image.id, name, root.digest)
        channel.post({"status": f"{tag.tag}: digest: {root.digest} size: {root.size}"})
        if plan.note is not None:
            channel.post({"progressDetail": {}, "aux": plan.note})
        channel.post({"progressDetail": {}, "aux": {"Tag": tag.tag, "Digest": root.digest, "Size": root.size}})

    async def _compressed(self, channel: Channel, image: Image, rows: dict[str, Row]) -> list[Descriptor]:
        """The layers as they are sent."""
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(self._slots)

        async def one(layer: Descriptor, diff_id: str) -> Descriptor:
            name = diff_id.partition(":")[2][:12]
            if name not in rows:
                rows[name] = Row(channel, name)
                rows[name].say("Preparing")
            row = rows[name]

            def progress(consumed: int) -> None:
                loop.call_soon_threadsafe(row.bar, "Compressing", consumed, layer.size)

            async with slots:
                return await self._compressor.compressed(layer, diff_id, progress)

        async with asyncio.TaskGroup() as group:
            pairs = zip(image.layers, image.config.diff_ids, strict=True)
            works = [group.create_task(one(layer, diff_id)) for layer, diff_id in pairs]
        return [work.result() for work in works]

    async def _upload(self, channel: Channel, target: Target, plan: Plan, rows: dict[str, Row]) -> None:
        """Have all blobs over there."""
        for _, name in plan.blobs.values():
            if name is not None and name not in rows:
                rows[name] = Row(channel, name)
                rows[name].say("Preparing")
        sources = {
            source for digest in plan.blobs for source in await self._places.repositories(target.registry, digest)
        }
        target.repository.may_read(*sorted(sources))
        slots = asyncio.Semaphore(self._slots)

        async def bring(blob: Descriptor, row: Row | None) -> None:
            if slots.locked() and row is not None:
                row.say("Waiting")
            async with slots:
                await self._uploads.bring(blob, target, row)

        async with asyncio.TaskGroup() as group:
            for blob, name in plan.blobs.values():
                group.create_task(bring(blob, rows[name] if name is not None else None))
