"""File descriptors and the event loop: wait until one is readable or writable, without a thread."""

import asyncio
from collections.abc import Callable


async def readable(fd: int) -> None:
    """Return when ``fd`` has something to read, or its other end is gone."""
    loop = asyncio.get_running_loop()
    await _once(fd, loop.add_reader, loop.remove_reader)


async def writable(fd: int) -> None:
    """Return when ``fd`` takes bytes."""
    loop = asyncio.get_running_loop()
    await _once(fd, loop.add_writer, loop.remove_writer)


async def _once(fd: int, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    ready = asyncio.get_running_loop().create_future()

    def fire() -> None:
        if not ready.done():
            ready.set_result(None)

    add(fd, fire)
    try:
        await ready
    finally:
        remove(fd)
