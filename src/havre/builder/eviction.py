"""The disk budget of builds: what has not been used for longest goes by itself when they keep more than they may."""

import asyncio
from dataclasses import dataclass, field

from havre.builder.upkeep import Limits, Upkeep
from havre.lib.tasks import TaskOwner
from havre.wire.filters import Filters

_PAUSE = 600.0  # seconds between two looks


@dataclass(slots=True)
class Eviction:
    """Looks from time to time. ``limits`` None: nothing goes by itself."""

    upkeep: Upkeep
    limits: Limits | None
    pause: float = _PAUSE
    _tasks: TaskOwner = field(default_factory=lambda: TaskOwner("eviction"))

    def start(self) -> None:
        """Begin to look."""
        if self.limits is not None:
            self._tasks.start(self._run(self.limits), "build cache")

    async def close(self) -> None:
        """Look no more."""
        await self._tasks.close()

    async def evict(self, limits: Limits) -> None:
        """Look once, and take away what is too much."""
        if await self.upkeep.exceeds(limits):
            await self.upkeep.prune(False, Filters(), limits)

    async def _run(self, limits: Limits) -> None:
        while True:
            await asyncio.sleep(self.pause)
            await self.evict(limits)
