"""One blob from the disk to a registry: skipped when it is there, mounted from another repository, or uploaded,
resumed where an earlier attempt broke off, and tried again.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import partial

from havre.errors import NotFound
from havre.image.blobs import BlobStore
from havre.image.manifest import Descriptor
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.places import BlobPlaces
from havre.image.remote.progress import Row
from havre.image.remote.retry import Attempts, count_down
from havre.image.remote.sessions import UploadSessions
from havre.image.remote.writing import WritableRepository

_SMALL = 1 << 20  # bytes that go in one request, with nothing to resume
_READ = 1 << 20
_CHUNK = 8 << 20  # pieces for a registry that forgets what a broken request has brought
_SETTLES = 0.1  # seconds in which a registry has stored what was on its way when the line broke
_LOST = frozenset({404, 416})  # the session is gone, or elsewhere than thought


class Uploads:
    """The uploads of a daemon. Of two pushes that bring the same blob to the same place, one waits."""

    def __init__(self, blobs: BlobStore, places: BlobPlaces, sessions: UploadSessions) -> None:
        self._blobs = blobs
        self._places = places
        self._sessions = sessions
        self._locks: defaultdict[tuple[str, str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def bring(self, blob: Descriptor, target: "Target", row: Row | None) -> None:
        """Have ``blob`` in the repository ``target``; ``row`` is told how. Raises ``RemoteFailure``."""
        key = (target.registry, target.path, blob.digest)
        lock = self._locks[key]
        try:
            async with lock:
                await self._bring(blob, target, row or _SILENT)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)
        await self._places.note(target.registry, target.path, [blob.digest])

    async def _bring(self, blob: Descriptor, target: "Target", row: "Row | _Silent") -> None:
        if await target.repository.has_blob(blob.digest):
            row.say("Layer already exists")
            return
        location = await self._sessions.find(target.registry, target.path, blob.digest)
        if location is None:
            source, location = await self._mount(blob, target)
            if source is not None:
                row.say(f"Mounted from {source}")
                return
        if not self._blobs.exists(blob.digest):
            raise NotFound(f"content {blob.digest}: not found")
        if blob.size <= _SMALL:
            await self._small(blob, target, location)
        else:
            await self._large(blob, target, location, row)
        row.say("Pushed")

    async def _mount(self, blob: Descriptor, target: "Target") -> tuple[str | None, str | None]:
        """The repository the blob was taken from, or where an upload has begun instead; neither if all refuse."""
        for source in await self._places.repositories(target.registry, blob.digest):
            if source == target.path:
                continue
            try:
                location = await target.repository.mount(blob.digest, source)
            except RemoteFailure:
                continue  # no right to read there, or nothing there any more: an upload will tell what is wrong
            return (source, None) if location is None else (None, location)
        return None, None

    async def _small(self, blob: Descriptor, target: "Target", location: str | None) -> None:
        data = self._blobs.read(blob.digest, _SMALL)
        attempt = 1
        while True:
            try:
                location = location or await target.repository.begin()
                return await target.repository.finish(location, blob.digest, data)
            except RemoteFailure as failure:
                failure.transient |= failure.status in _LOST
                pause = target.repository.policy.pause(attempt, failure)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            attempt, location = attempt + 1, None

    async def _large(self, blob: Descriptor, target: "Target", location: str | None, row: "Row | _Silent") -> None:
        upload = _Upload(self._blobs, self._sessions, blob, target, row)
        if location is not None:
            await upload.resume(location)
        attempts = Attempts(target.repository.policy)
        while True:
            before = upload.arrived
            try:
                await upload.run()
                break
            except RemoteFailure as failure:
                failure.transient |= failure.status in _LOST
                if failure.transient:
                    await asyncio.sleep(_SETTLES)
                    await upload.find_out()
                    if failure.status == 416 and upload.arrived == before:
                        upload.forget()
                pause = attempts.pause(failure, upload.arrived - before)
                if pause is None:
                    raise
            # The end may have been reached, and only the answer lost.
            if not upload.begun and await target.repository.has_blob(blob.digest):
                break
            await count_down(pause, row.say)
        await self._sessions.drop(target.registry, target.path, blob.digest)


class Target:
    """Where a push goes: ``registry`` and ``path`` are what its names say, ``repository`` is how to get there."""

    def __init__(self, registry: str, path: str, repository: WritableRepository) -> None:
        self.registry = registry
        self.path = path
        self.repository = repository


class _Upload:
    """One upload session and how far it is: ``arrived`` bytes are over there."""

    def __init__(
        self, blobs: BlobStore, sessions: UploadSessions, blob: Descriptor, target: Target, row: "Row | _Silent"
    ) -> None:
        self._blobs = blobs
        self._sessions = sessions
        self._blob = blob
        self._target = target
        self._row = row
        self._location: str | None = None
        self._whole = True
        self._lost_sight = False
        self.arrived = 0

    @property
    def begun(self) -> bool:
        """Whether the registry has something that can be gone on with, as far as known."""
        return self._location is not None

    async def resume(self, location: str) -> None:
        """Go on at ``location``, if that is still known over there."""
        self._location = location
        await self.find_out()

    def forget(self) -> None:
        """Begin anew next time."""
        self._location = None

    async def find_out(self) -> None:
        """Ask how far the upload is, now, or at the next attempt if there is no answer now. One that the registry knows
        nothing of begins anew.
        """
        try:
            await self._find_out()
        except RemoteFailure:
            self._lost_sight = True

    async def _find_out(self) -> None:
        if self._location is None:
            return
        try:
            self._location, arrived = await self._target.repository.progress(self._location)
        except RemoteFailure as failure:
            if failure.transient:
                raise
            arrived = 0
            self._location = None
        self._lost_sight = False
        if arrived > self._blob.size:
            arrived = 0
            self._location = None
        if self._location is not None:
            # Nothing of a request that broke: smaller ones lose less.
            self._whole = arrived > self.arrived
        self.arrived = arrived

    async def run(self) -> None:
        """Send what is missing and end the upload."""
        repository = self._target.repository
        if self._lost_sight:
            await self._find_out()
        if self._location is None:
            self.arrived = 0
            await self._keep(await repository.begin())
        while self.arrived < self._blob.size:
            start = self.arrived
            left = self._blob.size - start
            size = left if self._whole else min(left, _CHUNK)
            assert self._location is not None
            location = await repository.send(
                self._location, partial(self._read, start, size), start, size, self._blob.size
            )
            self.arrived = start + size
            await self._keep(location)
        assert self._location is not None
        await repository.finish(self._location, self._blob.digest)

    async def _keep(self, location: str) -> None:
        self._location = location
        await self._sessions.keep(self._target.registry, self._target.path, self._blob.digest, location)

    async def _read(self, start: int, size: int) -> AsyncIterator[bytes]:
        """The bytes, piece by piece, as fast as the line takes them."""
        sent = start
        with self._blobs.open(self._blob.digest) as file:
            file.seek(start)
            while sent < start + size:
                self._row.bar("Pushing", sent, self._blob.size)
                data = await asyncio.to_thread(file.read, min(_READ, start + size - sent))
                if not data:
                    raise NotFound(f"content {self._blob.digest} is shorter than {self._blob.size} bytes")
                sent += len(data)
                yield data
        self._row.bar("Pushing", sent, self._blob.size)


class _Silent:
    """A row that nobody sees."""

    def say(self, status: str) -> None: ...

    def bar(self, status: str, current: int, total: int) -> None: ...


_SILENT = _Silent()
