"""The disk budget is looked at again and again, and only what is too much is pruned."""

import asyncio
from typing import Any, cast

from havre.builder.eviction import Eviction
from havre.builder.upkeep import Limits, Upkeep


class Kept:
    """Stands for ``Upkeep``: keeps ``size`` bytes until it is pruned to what may be used."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.prunes = 0
        self.looked = asyncio.Event()

    async def exceeds(self, limits: Limits) -> bool:
        self.looked.set()
        return self.size > limits.used

    async def prune(self, everything: bool, filters: Any, limits: Limits) -> None:
        assert not everything and not filters
        self.prunes += 1
        self.size = limits.used


async def test_what_is_too_much_goes() -> None:
    kept = Kept(10)
    eviction = Eviction(cast(Upkeep, kept), Limits(used=5), pause=0)
    eviction.start()
    for _ in range(3):
        kept.looked.clear()
        await kept.looked.wait()
    await eviction.close()
    assert (kept.size, kept.prunes) == (5, 1)


async def test_without_a_budget_nobody_looks() -> None:
    kept = Kept(10)
    eviction = Eviction(cast(Upkeep, kept), None, pause=0)
    eviction.start()
    await asyncio.sleep(0)
    await eviction.close()
    assert not kept.looked.is_set()
