"""One at a time for each key, and nothing kept of keys that nobody uses."""

import asyncio

import pytest

from havre.lib.turns import Turns


async def test_one_at_a_time_for_each_key() -> None:
    turns, order = Turns(), list[str]()

    async def work(key: str, name: str) -> None:
        async with turns.of(key):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(work("a", "1"), work("a", "2"), work("b", "3"))
    assert order.index("1 ends") < order.index("2 begins")
    assert order.index("3 begins") < order.index("1 ends")
    assert "a" not in turns and "b" not in turns


async def test_a_key_is_known_while_somebody_has_it_or_waits() -> None:
    turns = Turns()
    async with turns.of("a"):
        waiting = asyncio.create_task(turns.of("a").__aenter__())
        await asyncio.sleep(0)
        assert "a" in turns
        waiting.cancel()
        await asyncio.wait([waiting])
        assert "a" in turns
    assert "a" not in turns


async def test_who_fails_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError):
        async with turns.of("a"):
            raise ValueError
    async with asyncio.timeout(1), turns.of("a"):
        assert "a" in turns
