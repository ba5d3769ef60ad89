"""Things that are believed for a while, and then not any more."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")

_MOST = 100_000


class Remembered(Generic[V]):
    """Values by repository and reference, each until its time is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[tuple[str, str], tuple[float, V]] = {}

    def put(self, key: tuple[str, str], value: V, seconds: float) -> None:
        """Remember ``value`` for ``seconds``. When there are too many, the oldest go."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + seconds, value)
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, key: tuple[str, str]) -> tuple[V] | None:
        """The value, in a tuple, since it may be None itself; None when there is none."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._kept[key]
            return None
        return (found[1],)
