"""One at a time for each key: a lock that exists only while somebody has it or waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """``async with turns.of(key):`` keeps others with the same key waiting."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    def __contains__(self, key: str) -> bool:
        """Whether somebody has the turn of ``key``, or waits for it."""
        return key in self._locks

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for the turn of ``key``."""
        lock, wanted = self._locks.setdefault(key, (asyncio.Lock(), []))
        wanted.append(None)
        try:
            async with lock:
                yield
        finally:
            wanted.pop()
            if not wanted:
                self._locks.pop(key, None)
