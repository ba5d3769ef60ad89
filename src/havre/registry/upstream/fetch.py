"""Blobs from upstreams into the storage: each once at a time, resumed when a line is cut, streamed on as they come."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from havre.errors import HavreError, SystemFault
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import BlobSource
from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.registry.upstream.arrival import Arrival

Source = Callable[[], Awaitable[BlobSource | None]]
"""Opens the place to fetch a blob from; None when the blob is here by now."""

Keep = Callable[[Arrival], Awaitable[None]]
"""Gives verified content its place; the file at ``path`` may be moved away."""

_BATCH = 1 << 20  # bytes handed to the disk and the hash at a time, off the event loop
_WORTH_ANOTHER = 1 << 20  # an attempt that brought this much proves that the line works
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Fetches:
    """The blobs that are on their way in, by (repository, digest). Their files lie in ``spool``, emptied at start."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._running: dict[tuple[str, str], asyncio.Future[Arrival | None]] = {}
        self._tasks = TaskOwner("fetches")

    def prepare(self) -> None:
        """Make the spool directory, or throw out what the last process left there."""
        self._spool.mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(self._spool):
            os.unlink(entry.path)

    async def join(self, repository: str, digest: str, source: Source, keep: Keep) -> Arrival | None:
        """The blob as it arrives, once the upstream has begun to send and its size is known. None when it is here.

        The first to ask starts the fetch, which goes on without anybody. Raises ``RemoteFailure`` when the upstream
        does not give it.
        """
        key = (repository, digest)
        opened = self._running.get(key)
        if opened is None:
            opened = self._running[key] = asyncio.get_running_loop().create_future()
            opened.add_done_callback(lambda done: done.cancelled() or done.exception())
            fetch = _Fetch(self._spool / new_id(), digest, opened)
            task = self._tasks.start(self._run(key, fetch, source, keep), f"fetch {digest} of {repository}")
            # Also of a task that was cancelled before it began.
            task.add_done_callback(lambda _: self._fail(key, fetch, SystemFault("the fetch was broken off")))
        return await asyncio.shield(opened)

    async def close(self) -> None:
        """Break off what is under way; readers get an end that they can tell from a whole blob."""
        await self._tasks.close()

    async def _run(self, key: tuple[str, str], fetch: "_Fetch", source: Source, keep: Keep) -> None:
        try:
            place = await source()
            arrival = await fetch.run(place) if place is not None else None
            if arrival is not None:
                await keep(arrival)
            self._leave(key, fetch)
            if arrival is not None:
                arrival.release()
            else:
                fetch.opened.set_result(None)
        except (RemoteFailure, HavreError) as failure:
            self._fail(key, fetch, failure)
        except OSError as error:
            self._fail(key, fetch, SystemFault(f"cannot store {fetch.digest}: {error.strerror}"))

    def _fail(self, key: tuple[str, str], fetch: "_Fetch", failure: Exception) -> None:
        # Who is told of a failure may come back at once, and must not meet the same fetch.
        self._leave(key, fetch)
        fetch.fail(failure)

    def _leave(self, key: tuple[str, str], fetch: "_Fetch") -> None:
        if self._running.get(key) is fetch.opened:
            del self._running[key]


class _Fetch:
    def __init__(self, path: Path, digest: str, opened: "asyncio.Future[Arrival | None]") -> None:
        self._path = path
        self.digest = digest
        self.opened = opened
        self._arrival: Arrival | None = None

    async def run(self, source: BlobSource) -> Arrival:
        """Bring the blob here, verified."""
        attempt = 1
        while True:
            start = self._written
            try:
                arrival = await self._attempt(source)
                break
            except RemoteFailure as failure:
                if self._written - start >= _WORTH_ANOTHER:
                    attempt = 1
                pause = source.policy.pause(attempt, failure)
                if pause is None:
                    raise
            attempt += 1
            await asyncio.sleep(pause)
        await asyncio.to_thread(arrival.verify)
        self._announce(arrival)
        return arrival

    def fail(self, failure: Exception) -> None:
        """Tell all who wait; what is on disk is of no use."""
        if self._arrival is not None:
            self._path.unlink(missing_ok=True)
            self._arrival.fail(failure)
        if not self.opened.done():
            self.opened.set_exception(failure)

    @property
    def _written(self) -> int:
        return self._arrival.written if self._arrival is not None else 0

    async def _attempt(self, source: BlobSource) -> Arrival:
        async with source.blob(self.digest, self._written) as response:
            arrival, skip = self._placed(response)
            batch = bytearray()
            try:
                async for data in response.content.iter_any():
                    batch += data[skip:]
                    skip = max(0, skip - len(data))
                    if len(batch) >= _BATCH:
                        await self._write(arrival, batch)
                        batch = bytearray()
            finally:
                # What came before the line was cut need not come again.
                await self._write(arrival, batch)
        if arrival.size is not None and arrival.written < arrival.size:
            raise RemoteFailure(
                f"unexpected EOF: {arrival.written} of {arrival.size} bytes of {self.digest}", transient=True
            )
        return arrival

    async def _write(self, arrival: Arrival, batch: bytearray) -> None:
        if arrival.size is not None and arrival.written + len(batch) > arrival.size:
            raise RemoteFailure(f"more than the {arrival.size} bytes promised of {self.digest}")
        await asyncio.to_thread(arrival.write, batch)
        arrival.tell()

    def _announce(self, arrival: Arrival) -> None:
        if arrival.size is not None and not self.opened.done():
            self.opened.set_result(arrival)

    def _placed(self, response: aiohttp.ClientResponse) -> tuple[Arrival, int]:
        """The arrival, and how many bytes of this answer it has already."""
        if response.status == 206:
            match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            start, size = (int(match[1]), int(match[2])) if match else (-1, None)
        else:
            start, size = 0, response.content_length
        if not 0 <= start <= self._written:
            raise RemoteFailure(f"the answer for {self.digest} does not say which bytes it brings")
        arrival = self._arrival
        if arrival is None:
            arrival = self._arrival = Arrival(self._path, self.digest, size)
        elif arrival.size is None:
            arrival.size = size
        elif size is not None and size != arrival.size:
            raise RemoteFailure(f"{self.digest} had {arrival.size} bytes, and has {size} now")
        self._announce(arrival)
        return arrival, self._written - start
