"""One manifest to one target, with all it is made of: what is there is left out, what is near there is mounted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from havre.errors import NotFound
from havre.image.manifest import LARGEST_MANIFEST
from havre.image.remote.transport import Body
from havre.image.remote.writing import WritableRepository
from havre.registry import manifests
from havre.registry.catalog import Catalog
from havre.registry.manifests import Part
from havre.registry.replication.queue import Job, Queue
from havre.registry.replication.settings import Target
from havre.registry.storage import ContentStorage

VIA = "Havre-Replicated-Via"
"""The header that names the registries a push has come through: what comes back ends."""

_BLOBS_AT_A_TIME = 3


class TargetRepository(WritableRepository):
    """A repository at a target; ``via`` goes with all requests."""

    via = ""

    @asynccontextmanager
    async def _get(
        self,
        url: str | URL,
        headers: Mapping[str, str],
        accepted: tuple[int, ...] = (200,),
        method: str = "GET",
        body: Callable[[], Body] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        async with super()._get(url, {**headers, VIA: self.via}, accepted, method, body) as response:
            yield response

    def may_delete(self) -> None:
        """Ask token servers for the right to delete as well."""
        self.scopes = (f"repository:{self._path}:pull,push,delete",)

    async def delete(self, reference: str) -> None:
        """Delete a tag or manifest, if it is there."""
        async with self._get(self._url(f"manifests/{reference}"), {}, (202, 200, 404), method="DELETE"):
            return


class Carrier:
    """Carries out jobs at one target. Raises ``RemoteFailure``, ``Unavailable`` and the like when that fails."""

    def __init__(
        self,
        name: str,
        target: Target,
        queue: Queue,
        catalog: Catalog,
        storage: ContentStorage,
        open_repository: Callable[[str], Awaitable[TargetRepository]],
    ) -> None:
        self._name = name
        self._target = target
        self._queue = queue
        self._catalog = catalog
        self._storage = storage
        self._open = open_repository
        self._slots = asyncio.Semaphore(_BLOBS_AT_A_TIME)

    async def carry_out(self, job: Job, via: str) -> None:
        """Do what ``job`` wants. What has gone from here meanwhile is not wanted any more."""
        repository = await self._open(self._target.prefix + job.repository)
        repository.via = via
        if job.wanted is None:
            repository.may_delete()
            await repository.delete(job.reference)
        else:
            await self._bring(repository, job.repository, job.wanted, job.reference)

    async def _bring(self, there: TargetRepository, repository: str, digest: str, reference: str) -> None:
        if await there.digest_of(reference) == digest:
            return
        found = await self._catalog.manifest(repository, digest)
        if found is None:
            return
        body = found.body or await self._catalog.body_piece(digest, 0, LARGEST_MANIFEST)
        document = manifests.check(body, found.media_type, digest)
        if document.is_index:
            for part in document.parts:
                await self._bring(there, repository, part.digest, part.digest)
        else:
            async with asyncio.TaskGroup() as group:
                for part in document.parts:
                    group.create_task(self._blob(there, repository, part))
        await there.put_manifest(reference, digest, body, found.media_type)

    async def _blob(self, there: TargetRepository, repository: str, part: Part) -> None:
        async with self._slots:
            if await self._storage.size(part.digest) is None:
                if part.optional:
                    return
                raise NotFound(f"{part.digest} of {repository} is not here any more")
            if await there.has_blob(part.digest):
                return
            source = await self._queue.holder(self._name, part.digest, repository)
            if source is None:
                location = await there.begin()
            else:
                near = await there.mount(part.digest, self._target.prefix + source)
                if near is None:
                    return
                location = near
            if part.size:
                location = await there.send(location, lambda: self._content(part), 0, part.size, part.size)
            await there.finish(location, part.digest)

    async def _content(self, part: Part) -> AsyncIterator[bytes]:
        content = await self._storage.open(part.digest)
        if content is None:
            raise NotFound(f"{part.digest} is not here any more")
        try:
            async for data in content.chunks(0, content.size):
                yield data
        finally:
            await content.close()
