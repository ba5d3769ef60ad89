"""What a pull tells its client while it works: Docker's JSON messages, never faster than a client can take them."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from havre.lib.sizes import human_size

Message = dict[str, Any]
_SHORTEST_INTERVAL = 0.1  # seconds between two states of one bar: more, nobody can see


class Channel:
    """Messages from a pull to the one who reads them. A reader that lags gets only the newest state of each bar."""

    def __init__(self) -> None:
        self._queue: deque[Message] = deque()
        self._bars: dict[str, Message] = {}
        self._news = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    def post(self, message: Message) -> None:
        """Send a message; it will be read."""
        self._bars.pop(message.get("id", ""), None)
        self._queue.append(message)
        self._news.set()

    def post_bar(self, message: Message) -> None:
        """Send the state of a bar; it is dropped if the next state comes before it was read."""
        pending = self._bars.get(message["id"])
        if pending is not None:
            pending.update(message)
            return
        self._bars[message["id"]] = message
        self._queue.append(message)
        self._news.set()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing follows; ``error`` is raised at the reader after the last message."""
        self._ended, self._error = True, error
        self._news.set()

    async def messages(self) -> AsyncIterator[Message]:
        """The messages, in order, until the end."""
        while True:
            while self._queue:
                message = self._queue.popleft()
                if self._bars.get(message.get("id", "")) is message:
                    del self._bars[message["id"]]
                yield message
            if self._ended:
                break
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error


class Row:
    """One line on the client's terminal: what happens to the layer ``id`` (12 hexadecimal digits)."""

    def __init__(self, channel: Channel, id: str) -> None:
        self._channel = channel
        self._id = id
        self._status = ""
        self._next = 0.0

    def say(self, status: str) -> None:
        """Show ``status`` without a bar."""
        self._status = status
        self._channel.post({"status": status, "progressDetail": {}, "id": self._id})

    def bar(self, status: str, current: int, total: int) -> None:
        """Show ``status`` with a bar: ``current`` of ``total`` bytes."""
        now = time.monotonic()
        if status == self._status and now < self._next and current < total:
            return
        self._status, self._next = status, now + _SHORTEST_INTERVAL
        self._channel.post_bar(
            {
                "status": status,
                "progressDetail": {"current": current, "total": total},
                "progress": drawn(current, total),
                "id": self._id,
            }
        )


def drawn(current: int, total: int) -> str:
    """The bar in characters, for clients that do not draw it themselves: ``[====>     ]  1.2MB/3.4MB``."""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{human_size(current):>8}"
    filled = min(50, int(current / total * 100) // 2)
    numbers = f"{human_size(current):>8}" + (f"/{human_size(total)}" if current <= total else "")
    return f"[{'=' * filled}>{' ' * (50 - filled)}] {numbers}"
