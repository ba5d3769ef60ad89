"""Works side by side."""

import asyncio

import pytest

from havre.lib.tasks import together


async def test_all_are_waited_for() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        done.append(number)

    await together(work(2), work(1))
    assert done == [1, 2]


async def test_the_first_failure_comes_when_nothing_goes_on_any_more() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise ValueError("first")

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")
        raise KeyError("second")

    with pytest.raises(ValueError, match="first"):
        await together(fail(), work())
    assert done == ["work"]
