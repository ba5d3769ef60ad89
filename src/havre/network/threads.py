"""Blocking kernel work off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def to_end(executor: Executor, work: Callable[..., T], *arguments: object) -> T:
    """Run ``work`` in a thread of ``executor``; when cancelled, wait for its end all the same.

    Half-done work cannot be stopped, and what undoes it must come after it.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, work, *arguments)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
