"""Things that come by name, and those who wait for them: the calls of one build come in any order."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from havre.builder.buildkit import statuses
from havre.builder.buildkit.statuses import RpcError

T = TypeVar("T")

_WAIT_SECONDS = 10.0


class Arrivals(Generic[T]):
    """Named things that are there for a while. ``kind`` is what they are called when one does not come."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._here: dict[str, T] = {}
        self._came = asyncio.Event()

    @contextmanager
    def present(self, name: str, thing: T) -> Iterator[None]:
        """It is there while the block lasts."""
        self.put(name, thing)
        try:
            yield
        finally:
            self.remove(name, thing)

    def put(self, name: str, thing: T) -> None:
        """It is there from now on."""
        self._here[name] = thing
        self._came.set()
        self._came = asyncio.Event()

    def remove(self, name: str, thing: T) -> None:
        """It is there no more, if it still is."""
        if self._here.get(name) is thing:
            del self._here[name]

    async def get(self, name: str) -> T:
        """The thing of this name. Raises ``RpcError`` when it does not come in time."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while name not in self._here:
                    await self._came.wait()
        except TimeoutError:
            raise RpcError(statuses.NOT_FOUND, f"no such {self._kind}: {name}") from None
        return self._here[name]
