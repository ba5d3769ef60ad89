"""One flight for all who want the same."""

import asyncio

import pytest

from havre.registry.upstream.flights import Flights


async def test_work_runs_once_for_all_who_wait_and_again_afterwards() -> None:
    flights: Flights[str, int] = Flights("test")
    calls = 0
    go_on = asyncio.Event()

    async def work() -> int:
        nonlocal calls
        calls += 1
        await go_on.wait()
        return calls

    waiting = [asyncio.ensure_future(flights.join("a", work)) for _ in range(100)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*waiting) == [1] * 100
    assert await flights.join("a", work) == 2


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    flights: Flights[str, int] = Flights("test")

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def work() -> int:
        return 1

    results = await asyncio.gather(*(flights.join("a", fail) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3
    assert await flights.join("a", work) == 1


async def test_it_goes_on_without_those_who_leave() -> None:
    flights: Flights[str, int] = Flights("test")
    go_on, done = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        await go_on.wait()
        done.set()
        return 1

    first = asyncio.ensure_future(flights.join("a", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    await asyncio.wait_for(done.wait(), 5)


async def test_a_closed_flight_ends_for_those_who_wait() -> None:
    flights: Flights[str, int] = Flights("test")
    waiting = asyncio.ensure_future(flights.join("a", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
