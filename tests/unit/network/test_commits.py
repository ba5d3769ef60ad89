"""The queue of firewall transactions: order, merging, and whose failure it is."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from havre.kernel.nftables import NftError
from havre.lib.tasks import TaskOwner
from havre.network.commits import Commits


class Kernel:
    """Takes transactions when ``gate`` is open, refuses those that hold the word "bad"."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.done: list[str] = []
        self.tries = 0

    def run(self, commands: str) -> None:
        self.gate.wait(10)
        self.tries += 1
        if "bad" in commands:
            raise NftError("Error: bad")
        self.done.append(commands)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
async def commits(kernel: Kernel) -> AsyncIterator[Commits]:
    tasks = TaskOwner("test")
    with ThreadPoolExecutor(1) as executor:
        yield Commits(kernel.run, executor, tasks)
        kernel.gate.set()
        await tasks.drain()


async def started(commits: Commits, *texts: str) -> list[asyncio.Task[None]]:
    waiting = [asyncio.ensure_future(commits.apply(text)) for text in texts]
    await asyncio.sleep(0.02)
    return waiting


async def test_one(commits: Commits, kernel: Kernel) -> None:
    kernel.gate.set()
    await commits.apply("a")
    await commits.apply("b")
    assert kernel.done == ["a", "b"]


async def test_what_waits_goes_together_and_in_order(commits: Commits, kernel: Kernel) -> None:
    waiting = await started(commits, "a") + await started(commits, "b", "c", "d")
    kernel.gate.set()
    await asyncio.gather(*waiting)
    assert kernel.done == ["a", "bcd"]


async def test_only_the_culprit_hears_of_a_failure(commits: Commits, kernel: Kernel) -> None:
    waiting = await started(commits, "a") + await started(commits, "b", "bad", "c")
    kernel.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), NftError, type(None)]
    assert kernel.done == ["a", "b", "c"]


async def test_a_failure_alone_is_tried_once(commits: Commits, kernel: Kernel) -> None:
    kernel.gate.set()
    with pytest.raises(NftError):
        await commits.apply("bad")
    assert kernel.tries == 1
    await commits.apply("a")


async def test_a_cancelled_wait_does_not_hurt_the_others(commits: Commits, kernel: Kernel) -> None:
    first = await started(commits, "a")
    second = await started(commits, "b", "c")
    second[0].cancel()
    kernel.gate.set()
    await asyncio.gather(*first, second[1])
    assert kernel.done == ["a", "bc"], "it was queued, so it is done: undoing it is queued behind it"


async def test_nobody_is_left_waiting_when_the_daemon_stops(kernel: Kernel) -> None:
    tasks = TaskOwner("test")
    with ThreadPoolExecutor(1) as executor:
        commits = Commits(kernel.run, executor, tasks)
        waiting = await started(commits, "a") + await started(commits, "b")
        stopping = asyncio.ensure_future(tasks.close())
        await asyncio.sleep(0.02)
        kernel.gate.set()
        await stopping
        assert await asyncio.gather(*waiting, return_exceptions=True) != [None, None]
