"""Pulls or pushes under way: each a task of its own, whose messages, and in the end its error, its client reads."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from havre.errors import HavreError, SystemFault
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.progress import Channel, Message
from havre.image.store import ImageStore
from havre.lib.tasks import TaskOwner

log = logging.getLogger(__name__)


class Transfers:
    """All transfers of one kind, ``verb`` ("pull", "push"). Nothing is collected in ``images`` meanwhile."""

    def __init__(self, verb: str, images: ImageStore) -> None:
        self._verb = verb
        self._images = images
        self._tasks = TaskOwner(f"{verb}es" if verb.endswith("sh") else f"{verb}s")

    async def close(self) -> None:
        """Break all of them off."""
        await self._tasks.close()

    async def run(
        self, name: str, work: Callable[[Channel], Awaitable[None]], refused: Callable[[RemoteFailure], HavreError]
    ) -> AsyncIterator[Message]:
        """Do ``work`` for the image ``name`` and give its messages. Closing the iterator breaks it off.

        Whatever goes wrong is a ``HavreError`` after the last message; ``refused`` makes it of a registry's failure.
        """
        channel = Channel()
        task = self._tasks.start(self._guarded(channel, name, work, refused), name)
        try:
            async for message in channel.messages():
                yield message
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _guarded(
        self,
        channel: Channel,
        name: str,
        work: Callable[[Channel], Awaitable[None]],
        refused: Callable[[RemoteFailure], HavreError],
    ) -> None:
        try:
            with self._images.hold():
                await work(channel)
            channel.end()
        except asyncio.CancelledError:
            channel.end(SystemFault(f"{self._verb} of {name} was cancelled"))
            raise
        except Exception as raised:
            error = _first(raised)
            if isinstance(error, RemoteFailure):
                error = refused(error)
            if not isinstance(error, HavreError):
                log.error("%s of %s failed", self._verb, name, exc_info=error)
                error = SystemFault(f"{self._verb} of {name} failed: {error}")
            channel.end(error)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
