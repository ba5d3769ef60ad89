"""One flight for all who ask the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from havre.lib.tasks import TaskOwner

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """Runs a piece of work once for all who want it under the same key while it lasts.

    It goes on when those who wait for it are cancelled: what it brings is kept for the next.
    """

    def __init__(self, name: str) -> None:
        self._running: dict[K, asyncio.Future[V]] = {}
        self._tasks = TaskOwner(name)

    async def join(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The result of ``work`` for ``key``, begun by whoever came first; its failure is everybody's."""
        flight = self._running.get(key)
        if flight is None:
            flight = self._running[key] = asyncio.get_running_loop().create_future()
            # Nobody may be left to hear of a failure.
            flight.add_done_callback(lambda done: done.cancelled() or done.exception())
            task = self._tasks.start(self._run(flight, work), f"fetch {key}")
            task.add_done_callback(lambda _: self._ended(key))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Break off what is under way."""
        await self._tasks.close()

    async def _run(self, flight: "asyncio.Future[V]", work: Callable[[], Awaitable[V]]) -> None:
        try:
            flight.set_result(await work())
        except Exception as error:
            flight.set_exception(error)

    def _ended(self, key: K) -> None:
        # Also of a task that was cancelled before it began.
        self._running.pop(key).cancel()
