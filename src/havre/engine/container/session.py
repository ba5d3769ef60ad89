"""One client at the stdio of one process: input one way, output the other, until either is over.

Attach and exec both end up here; the hub is the process's side, a ``Duplex`` the client's.
"""

import asyncio
from collections.abc import Callable

from havre.engine.container.detach import Detector
from havre.engine.container.hub import Hub, Listener
from havre.engine.streams import Duplex


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
    reading = asyncio.ensure_future(_read(stream, hub, stdin, detector, on_input_end))
    ending = asyncio.ensure_future(listener.ended.wait())
    try:
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and not ending.done():
            if reading.result():
                return True
            # Half-closed: its output goes on until the process ends or the connection breaks on a write.
            await ending
        return False
    finally:
        for task in (reading, ending):
            task.cancel()
        await asyncio.gather(reading, ending, return_exceptions=True)
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
    except ConnectionError:
        pass
    if stdin:
        on_input_end()
    return False
