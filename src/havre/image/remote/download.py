"""One blob from a registry onto the disk: resumed where an earlier attempt broke off, retried, verified, and shared by
all who want it at the same time.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import aiohttp

from havre.errors import SystemFault, Unavailable
from havre.image.blobs import BlobStore, Partial
from havre.image.digest import DigestMismatch
from havre.image.manifest import Descriptor
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.progress import Row
from havre.image.remote.repository import BlobSource
from havre.image.remote.retry import Attempts, count_down
from havre.lib.tasks import TaskOwner

T = TypeVar("T")
Sources = Callable[[], AsyncIterator[BlobSource]]
"""Where a blob may be had, the best place first. An iteration opens a place only when the one before has failed."""

_BATCH = 1 << 20  # bytes handed to the disk (and the hash) at a time, off the event loop
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Downloads:
    """The downloads of a daemon. Two pulls that need the same blob share one."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._running: dict[str, _Transfer] = {}
        self._tasks = TaskOwner("downloads")
        self._commits = TaskOwner("commits")

    async def close(self) -> None:
        """Break off what is under way; the bytes on disk stay for the next daemon."""
        await self._tasks.close()
        await self._commits.drain()

    async def fetch(self, blob: Descriptor, sources: Sources, slots: asyncio.Semaphore, row: Row) -> None:
        """Bring ``blob`` into the blob store, verified and durable. Nothing happens when it is there.

        A download waits for one of ``slots`` before it starts; ``row`` is told how far it is. Raises ``RemoteFailure``
        when no source gives it. Cancelled, it stops the download unless another caller waits for it too.
        """
        while not self._blobs.exists(blob.digest):
            transfer = self._running.get(blob.digest)
            if transfer is None:
                transfer = self._running[blob.digest] = _Transfer()
                transfer.task = self._tasks.start(self._run(transfer, blob, sources, slots), f"fetch {blob.digest}")
                mine = True
            elif transfer.abandoned:
                await asyncio.wait([transfer.task])
                continue
            else:
                mine = False
            failure = await transfer.outcome(row)
            if failure is None:
                return
            if mine:
                raise failure
            # It failed at the places another pull knows, with its credentials: ours may do better.

    async def _run(self, transfer: "_Transfer", blob: Descriptor, sources: Sources, slots: asyncio.Semaphore) -> None:
        try:
            if slots.locked():
                transfer.say("Waiting")
            async with slots, self._blobs.partial(blob.digest) as partial:
                if partial is not None:
                    await self._from_any(partial, blob, sources, transfer)
            transfer.say("Download complete")
        except (RemoteFailure, SystemFault) as failure:
            transfer.failure = failure
        except OSError as error:
            transfer.failure = SystemFault(f"cannot store {blob.digest}: {error.strerror}")
        finally:
            del self._running[blob.digest]

    async def _from_any(self, partial: Partial, blob: Descriptor, sources: Sources, transfer: "_Transfer") -> None:
        failure: RemoteFailure | None = None
        async for source in sources():
            try:
                return await self._from_one(source, partial, blob, transfer)
            except RemoteFailure as error:
                failure = error
        raise failure or RemoteFailure(f"no place to fetch {blob.digest} from")

    async def _from_one(self, source: BlobSource, partial: Partial, blob: Descriptor, transfer: "_Transfer") -> None:
        attempts = Attempts(source.policy)
        while True:
            start = partial.offset
            try:
                return await self._attempt(source, partial, blob, transfer)
            except RemoteFailure as failure:
                pause = attempts.pause(failure, partial.offset - start)
                if pause is None:
                    raise
            await count_down(pause, transfer.say)

    async def _attempt(self, source: BlobSource, partial: Partial, blob: Descriptor, transfer: "_Transfer") -> None:
        if partial.offset > blob.size:
            await asyncio.to_thread(partial.truncate)
        resumed = partial.offset > 0
        if partial.offset < blob.size:
            try:
                async with source.blob(blob.digest, partial.offset) as response:
                    resumed = await _position(response, partial, blob)
                    await self._receive(response, partial, blob, transfer)
            except RemoteFailure as failure:
                if failure.status != 416:
                    raise
                await asyncio.to_thread(partial.truncate)
                raise RemoteFailure(failure.text, transient=True) from None
        if partial.offset < blob.size:
            raise RemoteFailure(
                f"unexpected EOF: {partial.offset} of {blob.size} bytes of {blob.digest}", transient=True
            )
        transfer.say("Verifying Checksum")
        # What was left by an earlier attempt may be damaged (by a power loss, say): one clean attempt more.
        verdict = await _settled(self._commits.start(self._commit(partial, blob, again=resumed), "commit"))
        if verdict is not None:
            raise verdict

    async def _commit(self, partial: Partial, blob: Descriptor, *, again: bool) -> RemoteFailure | None:
        try:
            await self._blobs.commit(partial, blob.size)
        except DigestMismatch:
            return RemoteFailure(f"filesystem layer verification failed for digest {blob.digest}", transient=again)
        return None

    async def _receive(
        self, response: aiohttp.ClientResponse, partial: Partial, blob: Descriptor, transfer: "_Transfer"
    ) -> None:
        """Write the body to ``partial``, in a thread, while the next bytes come in; before a failure, what came."""
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[None] | None = None
        batch: list[bytes] = []
        held, received = 0, partial.offset
        transfer.bar("Downloading", received, blob.size)
        try:
            async for chunk in response.content.iter_any():
                received += len(chunk)
                if received > blob.size:
                    batch.clear()
                    raise RemoteFailure(f"{response.url.host} sends more than the {blob.size} bytes of {blob.digest}")
                batch.append(chunk)
                held += len(chunk)
                if held >= _BATCH:
                    if writing is not None:
                        await asyncio.shield(writing)
                    transfer.bar("Downloading", received, blob.size)
                    writing = loop.run_in_executor(None, _write, partial, batch)
                    batch, held = [], 0
        finally:
            if writing is not None:
                await _settled(writing)
            _write(partial, batch)
        transfer.bar("Downloading", received, blob.size)


class _Transfer:
    """A download under way and the rows of those who wait for it."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.failure: RemoteFailure | SystemFault | None = None
        self.abandoned = False
        self._rows: list[Row] = []
        self._last: Callable[[Row], None] | None = None

    async def outcome(self, row: Row) -> RemoteFailure | SystemFault | None:
        """Wait for the end, showing progress in ``row``. None: the blob is there."""
        self._rows.append(row)
        if self._last is not None:
            self._last(row)
        try:
            await asyncio.wait([self.task])
        finally:
            self._rows.remove(row)
            if not self._rows and not self.task.done():
                self.abandoned = True
                self.task.cancel()
                await _ended(self.task)
        if self.task.cancelled():
            raise Unavailable("the daemon is shutting down")
        error = self.task.exception()
        if error is not None:
            raise error
        return self.failure

    def say(self, status: str) -> None:
        self._show(lambda row: row.say(status))

    def bar(self, status: str, current: int, total: int) -> None:
        self._show(lambda row: row.bar(status, current, total))

    def _show(self, show: Callable[[Row], None]) -> None:
        self._last = show
        for row in self._rows:
            show(row)


async def _position(response: aiohttp.ClientResponse, partial: Partial, blob: Descriptor) -> bool:
    """Make ``partial`` end where the body of ``response`` begins; tells whether earlier bytes remain in it."""
    if response.status == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != partial.offset or found[2] not in ("*", str(blob.size)):
            await asyncio.to_thread(partial.truncate)
            raise RemoteFailure(f"{response.url.host} sends another range than was asked for", transient=True)
        return partial.offset > 0
    if partial.offset:
        # This server knows no ranges: what follows is the blob from its first byte.
        await asyncio.to_thread(partial.truncate)
    if response.content_length not in (None, blob.size):
        raise RemoteFailure(
            f"{blob.digest} has {response.content_length} bytes at {response.url.host}, {blob.size} in its manifest"
        )
    return False


def _write(partial: Partial, batch: list[bytes]) -> None:
    for chunk in batch:
        partial.write(chunk)


async def _settled(future: "asyncio.Future[T]") -> T:
    """The result of work that must not be left behind half done: a cancellation takes effect when it has ended."""
    cancelled = await _ended(future)
    if cancelled is not None:
        raise cancelled
    return future.result()


async def _ended(future: "asyncio.Future[T]") -> asyncio.CancelledError | None:
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
