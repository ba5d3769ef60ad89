"""One client at the stdio of one process: input one way, output the other, until either is over.

Attach and exec both end up here; the hub is the process's side, a ``Duplex`` the client's.
"""

import asyncio
from collections.abc import Callable

from havre.engine.container.detach import Detector
from havre.engine.container.hub import Hub, Listener
from havre.engine.streams import Duplex
from havre.lib.tasks import TaskOwner


async def converse(
    stream: Duplex,
    hub: Hub,
    listener: Listener,
    stdin: bool,
    detector: Detector | None,
    on_input_end: Callable[[], None],
) -> bool:
    """Carry bytes until the process's output ends, the client leaves, or it types the detach keys; True for the last.

    The client's half-close calls ``on_input_end``. The stream is left open.
    """
    tasks = TaskOwner("session")
    reading = tasks.start(_read(stream, hub, stdin, detector, on_input_end), "input")
    ending = tasks.start(listener.ended.wait(), "output")
    try:
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and not ending.done():
            if reading.result():
                return True
            # Half-closed: its output goes on until the process ends or the connection breaks on a write.
            await ending
        return False
    finally:
        await tasks.close()
        hub.leave(listener)


async def _read(
    stream: Duplex, hub: Hub, stdin: bool, detector: Detector | None, on_input_end: Callable[[], None]
) -> bool:
    try:
        while data := await stream.read():
            if not stdin:
                continue
            detached = False
            if detector is not None:
                data, detached = detector.feed(data)
            if data:
                await hub.send(data)
            if detached:
                return True
    except OSError:
        # The process has ended while we wrote to it, or the client is gone: no more input, but output may be left.
        pass
    if stdin:
        on_input_end()
    return False
