"""What happened, told to whoever listens: ``GET /events``. Every verb of the engine publishes here.

The last 256 events are kept in memory for ``since``, those before them by a ``History``. Docker's daemon forgets them
when it ends; ours does not.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from havre.wire.filters import Filters

log = logging.getLogger(__name__)

_HISTORY = 256
# A listener this far behind will not catch up: it is let go, so that it cannot fill the daemon's memory.
_MAX_BACKLOG = 65_536
_OBJECTS = ("builder", "config", "container", "daemon", "network", "node", "plugin", "secret", "service", "volume")
_FILTERS = (*_OBJECTS, "event", "image", "label", "scope", "type")
# Actions that carry their argument behind a colon: a filter that names them without one means all of them.
_FUZZY_ACTIONS = ("health_status", "exec_create", "exec_start")


class History(Protocol):
    """Where events are kept for longer. Their numbers rise."""

    def last_number(self) -> int:
        """The number of the newest event kept."""

    def note(self, number: int, event: dict[str, Any]) -> None:
        """Keep an event, without waiting."""

    def read(self, since_ns: int, until_ns: int | None, before: int) -> AsyncIterator[dict[str, Any]]:
        """The kept events of a span of time with numbers below ``before``, oldest first."""


class Events:
    """The one place events go through. ``publish`` never waits and never fails."""

    def __init__(self, history: History | None = None) -> None:
        self._history = history
        self._number = history.last_number() if history is not None else 0
        # The newest events; the last one has the number ``_number``.
        self._recent: deque[dict[str, Any]] = deque(maxlen=_HISTORY)
        self._streams: set[EventStream] = set()

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None) -> None:
        """Tell everybody that ``action`` happened to the object ``actor_id`` of ``type``: container, image, volume…."""
        event = _event(type, action, actor_id, dict(attributes or {}), time.time_ns())
        self._number += 1
        self._recent.append(event)
        if self._history is not None:
            self._history.note(self._number, event)
        for stream in tuple(self._streams):
            stream.offer(event)

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def stream(self, since_ns: int | None, until_ns: int | None, filters: Filters) -> "EventStream":
        """Events from now on, after those of the history when ``since_ns`` or ``until_ns`` is given.

        It listens from this call on, not from the first read, and must be closed. With ``until_ns`` it ends then.
        ``InvalidParameter`` for a filter events do not know.
        """
        filters.validate(_FILTERS)
        if since_ns is None and until_ns is None:
            return EventStream(self._streams, filters, None)
        since = since_ns or 0
        older: AsyncIterator[dict[str, Any]] | None = None
        if self._history is not None and (not self._recent or self._recent[0]["timeNano"] > since):
            older = self._history.read(since, until_ns, self._number - len(self._recent) + 1)
        stream = EventStream(self._streams, filters, until_ns, older)
        for event in self._recent:
            if event["timeNano"] >= since and (until_ns is None or event["timeNano"] <= until_ns):
                stream.offer(event)
        return stream


class EventStream(AsyncIterator[dict[str, Any]]):
    """One listener's events, in order. ``aclose`` ends the subscription."""

    def __init__(
        self,
        streams: "set[EventStream]",
        filters: Filters,
        until_ns: int | None,
        older: AsyncIterator[dict[str, Any]] | None = None,
    ) -> None:
        self._streams = streams
        # What is told first.
        self._older = older
        self._filters = filters
        self._until_ns = until_ns
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        streams.add(self)

    def offer(self, event: dict[str, Any]) -> None:
        """Queue ``event`` if the filters let it through."""
        if not _wanted(event, self._filters):
            return
        if len(self._waiting) >= _MAX_BACKLOG:
            log.warning("an events listener fell %d events behind and was let go", _MAX_BACKLOG)
            self._leave()
            return
        self._waiting.append(event)
        self._wake.set()

    async def __anext__(self) -> dict[str, Any]:
        if self._older is not None:
            async for event in self._older:
                if _wanted(event, self._filters):
                    return event
            self._older = None
        while not self._waiting:
            if self not in self._streams:
                raise StopAsyncIteration
            self._wake.clear()
            try:
                async with asyncio.timeout(self._seconds_left()):
                    await self._wake.wait()
            except TimeoutError:
                self._leave()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop listening."""
        self._leave()
        self._waiting.clear()

    def _leave(self) -> None:
        self._streams.discard(self)
        self._wake.set()

    def _seconds_left(self) -> float | None:
        return None if self._until_ns is None else max(0.0, (self._until_ns - time.time_ns()) / 1e9)


def _event(type: str, action: str, actor_id: str, attributes: dict[str, str], now: int) -> dict[str, Any]:
    event: dict[str, Any] = {}
    # The fields of API 1.21 and older; Docker's own CLI up to 25 fails without them for these two types.
    if type in ("container", "image"):
        event |= {"status": action, "id": actor_id}
    if type == "container":
        event["from"] = attributes.get("image", "")
    return event | {
        "Type": type,
        "Action": action,
        "Actor": {"ID": actor_id, "Attributes": attributes},
        "scope": "local",
        "time": now // 1_000_000_000,
        "timeNano": now,
    }


def _wanted(event: Mapping[str, Any], filters: Filters) -> bool:
    if not filters:
        return True
    actor_id: str = event["Actor"]["ID"]
    attributes: dict[str, str] = event["Actor"]["Attributes"]
    name = attributes.get("name", "")
    return (
        _action_wanted(event["Action"], filters)
        and filters.exact("type", event["Type"])
        and filters.exact("scope", event["scope"])
        and filters.match_labels(attributes)
        and _image_wanted(event["Type"], actor_id, attributes, filters)
        and all(filters.fuzzy(kind, actor_id, name) for kind in _OBJECTS)
    )


def _action_wanted(action: str, filters: Filters) -> bool:
    if any(value.startswith(_FUZZY_ACTIONS) and ":" not in value for value in filters.values_of("event")):
        return filters.fuzzy("event", action)
    return filters.exact("event", action)


def _image_wanted(type: str, actor_id: str, attributes: Mapping[str, str], filters: Filters) -> bool:
    name = attributes.get("name" if type == "image" else "image", "")
    return filters.exact("image", actor_id, name, _without_tag(actor_id), _without_tag(name))


def _without_tag(reference: str) -> str:
    head, colon, tail = reference.rpartition(":")
    return head if colon and "/" not in tail else reference
