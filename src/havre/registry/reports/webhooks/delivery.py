"""Tells the receivers: into the journal at once, to the queue, from there by HTTP, again until it is taken.

A push waits for no more than a line in the journal. What a receiver has taken is forgotten after it said so: each event
arrives at least once, in order for one endpoint, and its ``id`` tells a second arrival. A loss of power can take the
events of its last moments.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from havre.errors import SystemFault
from havre.lib.tasks import TaskOwner
from havre.registry.reports.exposition import Counter
from havre.registry.reports.webhooks.envelope import MEDIA_TYPE, SIGNATURE_HEADER, Happening, envelope, event, signature
from havre.registry.reports.webhooks.journal import Journal
from havre.registry.reports.webhooks.queue import EventQueue

log = logging.getLogger(__name__)
_BATCH = 16
# In memory, while the disk does not take them.
_MOST_UNWRITTEN = 10_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to tell, and of which actions; with ``secret`` the body is signed."""

    url: str
    secret: str = ""
    actions: frozenset[str] = frozenset({"push", "mount", "delete"})
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10


@dataclass(frozen=True, slots=True)
class Backoff:
    """After failures in a row: ``first`` seconds, twice as long each time, up to ``longest``; and a little more."""

    first: float = 1
    longest: float = 300

    def seconds(self, failures: int) -> float:
        """How long to wait after so many."""
        return float(min(self.first * 2 ** min(failures - 1, 30), self.longest) * random.uniform(1, 1.25))


class Webhooks:
    """Takes what happened and delivers it to the endpoints. ``start`` it, ``close`` it."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        queue: EventQueue,
        journal: Journal,
        *,
        address: str,
        instance: str,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._endpoints = endpoints
        self._queue = queue
        self._journal = journal
        self._address = address
        self._instance = instance
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        # What a former process noted comes first.
        self._unwritten = [entry for entry in journal.entries() if entry[0] in {each.url for each in endpoints}]
        self._told = asyncio.Event()
        self._told.set()
        self._waiting = {endpoint.url: asyncio.Event() for endpoint in endpoints}
        self._tasks = TaskOwner("webhooks")
        self._session: aiohttp.ClientSession | None = None
        self.delivered = Counter("havre_registry_webhook_events_total", "Events of webhooks by outcome.", ("outcome",))

    async def start(self) -> None:
        """Take up what a former process left, and begin."""
        await self._queue.keep_only([endpoint.url for endpoint in self._endpoints])
        if not self._unwritten:
            # A line that was cut off would spoil the next.
            self._journal.clear()
        self._session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        self._tasks.start(self._write(), "to the queue")
        for endpoint in self._endpoints:
            self._tasks.start(self._deliver(endpoint, self._session), "to a receiver")

    def tell(self, happening: Happening) -> None:
        """Note what happened; returns at once."""
        wanting = [endpoint.url for endpoint in self._endpoints if happening.action in endpoint.actions]
        if not wanting:
            return
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            self.delivered.add(len(wanting), "dropped")
            return
        body = event(happening, self._address, self._instance)
        entries = [(url, body) for url in wanting]
        self._journal.append(entries)
        self._unwritten += entries
        self._told.set()

    async def close(self) -> None:
        """Put what was told on disk and end; what is not delivered yet is after the next start."""
        await self._tasks.close()
        if self._session is not None:
            await self._session.close()
        try:
            await self._flush()
        except SystemFault as error:
            log.error("events of webhooks are lost: %s", error.message)
        self._journal.close()
        self._queue.close()

    async def _write(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                await self._flush()
            except SystemFault as error:
                log.error("cannot queue events of webhooks: %s", error.message)
                await self._sleep(self._backoff.first)
                self._told.set()

    async def _flush(self) -> None:
        entries = list(self._unwritten)
        if not entries:
            return
        dropped = await self._queue.put(entries)
        del self._unwritten[: len(entries)]
        if not self._unwritten:
            self._journal.clear()
        if dropped:
            self.delivered.add(dropped, "dropped")
            log.warning("a queue of webhooks is full: %d of its oldest events were dropped", dropped)
        for url in {url for url, _body in entries}:
            self._waiting[url].set()

    async def _deliver(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        failures = 0
        while True:
            self._waiting[endpoint.url].clear()
            batch = await self._queue.first(endpoint.url, _BATCH)
            if not batch:
                await self._waiting[endpoint.url].wait()
                continue
            problem = await self._post(endpoint, session, envelope([body for _number, body in batch]))
            if problem is None:
                failures = 0
                await self._queue.remove([number for number, _body in batch])
                self.delivered.add(len(batch), "delivered")
                continue
            failures += 1
            self.delivered.add(len(batch), "failed")
            if failures == 1:
                log.warning("the webhook %s failed and is tried again: %s", _shown(endpoint.url), problem)
            await self._sleep(self._backoff.seconds(failures))

    async def _post(self, endpoint: Endpoint, session: aiohttp.ClientSession, body: bytes) -> str | None:
        headers = {**endpoint.headers, "Content-Type": MEDIA_TYPE}
        if endpoint.secret:
            headers[SIGNATURE_HEADER] = signature(endpoint.secret, body)
        try:
            timeout = aiohttp.ClientTimeout(total=endpoint.timeout)
            # Redirects are not followed: they would take the events where nobody configured them to go.
            async with session.post(
                endpoint.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return None if 200 <= response.status < 300 else f"it answered {response.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__


def _shown(url: str) -> str:
    # A query often holds a secret, and so may the part before an @.
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
