"""Watches what is pushed and deleted, and sees to it that each target gets it, one thing after the other for each."""

import asyncio
import logging
from collections.abc import Mapping

from havre.errors import HavreError
from havre.lib.tasks import TaskOwner
from havre.registry.call import Call
from havre.registry.replication.queue import Job, Queue, Wish
from havre.registry.replication.settings import Target
from havre.registry.replication.target import VIA, Carrier
from havre.registry.seams import Event

log = logging.getLogger(__name__)


class Replicator:
    """An observer of pushes and deletions, with a worker for each target."""

    def __init__(self, queue: Queue, targets: Mapping[str, Target], carriers: Mapping[str, Carrier]) -> None:
        self._queue = queue
        self._targets = targets
        self._carriers = carriers
        self._wishes: asyncio.Queue[list[Wish]] = asyncio.Queue()
        self._news = {name: asyncio.Event() for name in targets}
        self._tasks = TaskOwner("replication")
        self._name = ""

    async def start(self) -> None:
        """See what is to be done, and begin."""
        self._name = await self._queue.own_name()
        await self._queue.reconcile(self._targets)
        self._tasks.start(self._note_forever(), "note")
        for name in self._targets:
            self._tasks.start(self._work_forever(name), f"to {name}")

    async def close(self) -> None:
        """Break off; what is not done is begun again by the next registry on this root."""
        await self._tasks.close()

    # -- seams.Observer -----------------------------------------------------------------------------------------------

    def told(self, event: Event) -> None:
        if event.kind != "manifest" or event.happening not in ("pushed", "deleted"):
            return
        path = event.call.headers.get(VIA, "") if event.call is not None else ""
        if self._name in path.split(","):
            return
        wishes = [Wish(*each, path) for each in self._wanted(event)]
        if wishes:
            self._wishes.put_nowait(wishes)

    def answered(self, call: Call, status: int, sent: int, seconds: float) -> None:
        return None

    def _wanted(self, event: Event) -> list[tuple[str, str, str, str | None]]:
        reference = event.tag or event.digest
        if event.happening == "pushed":
            fitting = [name for name, target in self._targets.items() if target.wants(event.repository, event.tag)]
            return [(name, event.repository, reference, event.digest) for name in fitting]
        fitting = [name for name, target in self._targets.items() if target.deletes]
        return [(name, event.repository, reference, None) for name in fitting]

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _note_forever(self) -> None:
        while True:
            wishes = await self._wishes.get()
            while not self._wishes.empty():
                wishes = wishes + self._wishes.get_nowait()
            try:
                await self._queue.wish(wishes)
            except HavreError as error:
                # The next start finds what is missing.
                log.error("cannot note what is to be replicated: %s", error)
            for news in {wish.target for wish in wishes}:
                self._news[news].set()

    async def _work_forever(self, name: str) -> None:
        while True:
            self._news[name].clear()
            job, pause = await self._queue.next(name)
            if job is None:
                try:
                    await asyncio.wait_for(self._news[name].wait(), pause)
                except TimeoutError:
                    continue
            else:
                await self._attempt(name, job)

    async def _attempt(self, name: str, job: Job) -> None:
        via = ",".join(filter(None, (job.path, self._name)))
        try:
            await self._carriers[name].carry_out(job, via)
        except Exception as error:
            # Whatever it is: others wait behind it, and it is told in the status.
            reason = _reason(error)
            log.warning("%s:%s cannot be replicated to %s: %s", job.repository, job.reference, name, reason)
            await self._queue.failed(name, job, reason)
        else:
            await self._queue.done(name, job)


def _reason(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
