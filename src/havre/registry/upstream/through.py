"""Pull-through: before a pull is answered, what it asks for is brought here, if it comes from an upstream.

A tag that was looked up lately is believed; an older one is asked for by a request that registries do not count, and
fetched if it has changed. While an upstream fails, the last known answer stands. Whatever many clients want at once is
fetched once.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import BinaryIO

from havre.errors import HavreError, Unavailable
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Repository
from havre.registry import manifests
from havre.registry.app import Registry
from havre.registry.call import Call
from havre.registry.errors import Denied, Refusal
from havre.registry.peers import Connection, refusal
from havre.registry.storage import Content
from havre.registry.upstream import records
from havre.registry.upstream.arrival import Arrival
from havre.registry.upstream.fetch import Fetches
from havre.registry.upstream.flights import Flights
from havre.registry.upstream.remembered import Remembered
from havre.registry.upstream.settings import Origin, Upstream, Upstreams

log = logging.getLogger(__name__)

_PIECE = 128 << 10
_NOT_HERE = (401, 403, 404)
_STALE_FOR = 10.0  # seconds until an upstream that failed is asked again for a tag that is here
_PATIENCE = 20.0  # seconds an upstream may take to say what a tag is that is here


class ArrivingContent:
    """A blob that is still on its way in, for a client that waits for it."""

    address: str | None = None

    def __init__(self, arrival: Arrival) -> None:
        assert arrival.size is not None
        self.size: int = arrival.size
        self.file: BinaryIO | None = arrival.open()
        self._arrival = arrival

    async def ready(self, start: int, length: int) -> int:
        return min(length, await self._arrival.ready(start))

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        end = start + length
        while start < end:
            data = await self._arrival.read(start, min(_PIECE, end - start))
            start += len(data)
            yield data

    async def close(self) -> None:
        assert self.file is not None
        self.file.close()


class PullThrough:
    """``seams.Upstream`` for the upstreams of the configuration; ``grown`` is called when more is kept than before."""

    def __init__(
        self,
        registry: Registry,
        settings: Upstreams,
        connections: Mapping[str, Connection],
        fetches: Fetches,
        grown: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._catalog = registry.catalog
        self._settings = settings
        self._connections = connections
        self._fetches = fetches
        self._grown = grown
        self._flights: Flights[tuple[str, str], None] = Flights("upstream")
        self._fresh: Remembered[None] = Remembered()
        self._refused: Remembered[Refusal | None] = Remembered()
        self._tags: Remembered[list[str]] = Remembered()

    async def close(self) -> None:
        """Break off what is under way."""
        await self._flights.close()
        await self._fetches.close()

    # -- seams.Upstream -----------------------------------------------------------------------------------------------

    async def localized(self, call: Call, repository: str) -> str:
        namespace = call.query("ns")
        prefix = self._settings.of_namespace(namespace) if namespace else None
        # Who asks whether a blob is there is about to push: blobs of the upstream would be of no use then.
        pull = call.action == "pull" and not (call.method == "HEAD" and "/blobs/" in call.request.path)
        if prefix is None and pull and self._settings.origin(repository) is None:
            prefix = self._settings.default
            if prefix is not None and await self._catalog.tags(repository, "", 0) is not None:
                return repository
        return repository if prefix is None else f"{prefix}/{repository}"

    def refuse_push(self, repository: str) -> None:
        origin = self._settings.origin(repository)
        if origin is not None:
            host = self._settings.table[origin.prefix].host
            raise Denied(f"{origin.prefix}/ holds what was pulled from {host}: push there, or to another name here")

    async def manifest(self, repository: str, reference: str) -> None:
        origin = self._settings.origin(repository)
        key = (repository, reference)
        if origin is None:
            return
        believed = ":" in reference or self._fresh.get(key)
        # It may have been evicted since.
        if believed and await self._catalog.manifest(repository, reference) is not None:
            return
        refused = self._refused.get(key)
        if refused is None:
            await self._flights.join(key, lambda: self._bring(origin, repository, reference))
            refused = self._refused.get(key)
        if refused is not None and refused[0] is not None:
            raise refused[0]

    async def blob(self, repository: str, digest: str) -> Content | None:
        origin = self._settings.origin(repository)
        if origin is None:
            return None
        key = (repository, digest)
        refused = self._refused.get(key)
        if refused is not None:
            if refused[0] is not None:
                raise refused[0]
            return None
        here = await self._shared(repository, digest)
        if here is not None:
            return here

        async def source() -> Repository | None:
            # Looked again by the one who fetches: another fetch may have ended since this request has looked.
            size = await self._catalog.blob_size(repository, digest)
            here = size is not None and await self._registry.storage.size(digest) == size
            return None if here else await self._source(origin)

        try:
            arrival = await self._fetches.join(repository, digest, source, lambda a: self._keep_blob(repository, a))
        except RemoteFailure as failure:
            error = self._remember(origin, key, failure)
            if error is not None:
                raise error from None
            return None
        return ArrivingContent(arrival) if arrival is not None else await self._registry.storage.open(digest)

    async def tags(self, repository: str) -> list[str] | None:
        origin = self._settings.origin(repository)
        if origin is None:
            return None
        key = (repository, "")
        if self._tags.get(key) is None:
            await self._flights.join(key, lambda: self._bring_tags(origin, key))
        found = self._tags.get(key)
        return None if found is None else found[0]

    # -- bringing -----------------------------------------------------------------------------------------------------

    async def _bring(self, origin: Origin, repository: str, reference: str) -> None:
        """Have the manifest as it is at the upstream, or remember why not."""
        key = (repository, reference)
        here = await self._catalog.manifest(repository, reference)
        upstream = self._upstream(origin)
        try:
            async with asyncio.timeout(_PATIENCE if here is not None else None):
                source = await self._source(origin)
                known = await source.digest_of(reference) if here is not None else None
                if here is None or known != here.digest:
                    await self._bring_manifest(source, repository, reference)
            self._fresh.put(key, None, upstream.tag_ttl)
        except (RemoteFailure, TimeoutError, Unavailable) as failure:
            status = failure.status if isinstance(failure, RemoteFailure) else None
            if here is not None and status not in _NOT_HERE:
                log.warning("%s:%s is served as it was: %s", repository, reference, failure or "no answer in time")
                self._fresh.put(key, None, min(_STALE_FOR, upstream.tag_ttl))
                return
            if not isinstance(failure, RemoteFailure):
                raise
            if here is not None:
                await self._catalog.delete_tag(repository, reference)
            error = self._remember(origin, key, failure)
            if error is not None and not isinstance(error, Denied):
                raise error from None

    async def _bring_manifest(self, source: Repository, repository: str, reference: str) -> None:
        body, media_type = await source.manifest(reference)
        tags = [] if ":" in reference else [reference]
        try:
            document = manifests.check(body, media_type, None if tags else reference)
        except Refusal as error:
            raise Unavailable(f"{source.endpoint.host} sent what is no manifest: {error.message}") from None
        now = time.time()
        await self._catalog.change(repository, lambda c: records.keep_manifest(c, repository, document, tags, now))
        self._grown()

    async def _bring_tags(self, origin: Origin, key: tuple[str, str]) -> None:
        try:
            found = sorted(await (await self._source(origin)).tags())
        except RemoteFailure as failure:
            log.warning("the tags of %s are those that are here: %s", key[0], failure)
            return
        self._tags.put(key, found, self._upstream(origin).tag_ttl)

    async def _shared(self, repository: str, digest: str) -> Content | None:
        """The blob, if a manifest of this repository names it and another one has it that anybody may read upstream:
        a manifest that names what is private proves nothing."""
        if not await self._catalog.database.read(lambda c: records.is_part(c, repository, digest)):
            return None
        async with self._registry.turns.of(digest):
            holders = await self._catalog.database.read(lambda c: records.holders(c, digest))
            size = next((size for name, size in holders if self._is_public(name)), None)
            content = await self._registry.storage.open(digest) if size is not None else None
            if content is not None and content.size == size:
                await self._link(repository, digest, content.size)
                return content
        if content is not None:
            await content.close()
        return None

    def _is_public(self, repository: str) -> bool:
        origin = self._settings.origin(repository)
        return origin is not None and not self._upstream(origin).private

    async def _keep_blob(self, repository: str, arrival: Arrival) -> None:
        async with self._registry.turns.of(arrival.digest):
            await self._registry.storage.adopt(arrival.path, arrival.digest)
            # It stays when another repository has brought the same meanwhile.
            await asyncio.to_thread(arrival.path.unlink, missing_ok=True)
            await self._link(repository, arrival.digest, arrival.written)

    async def _link(self, repository: str, digest: str, size: int) -> None:
        now = time.time()
        await self._catalog.database.write(lambda c: records.keep_blob(c, repository, digest, size, now))
        self._grown()

    async def _source(self, origin: Origin) -> Repository:
        return await self._connections[origin.prefix].repository(origin.path, Repository)

    def _upstream(self, origin: Origin) -> Upstream:
        return self._settings.table[origin.prefix]

    def _remember(self, origin: Origin, key: tuple[str, str], failure: RemoteFailure) -> HavreError | None:
        """The error for clients; None when the upstream does not have it."""
        error = None if failure.status == 404 else refusal(failure, self._upstream(origin))
        if error is None or isinstance(error, Denied):
            self._refused.put(key, error, self._settings.cache.negative_ttl)
        return error
