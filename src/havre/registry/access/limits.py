"""How often somebody may come: a budget that fills up evenly, one a key, in one number each (GCRA)."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from havre.errors import InvalidParameter

_RATE = re.compile(r"(\d{1,9})/(\d{0,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` in ``window`` seconds."""

    count: int
    window: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """``remaining`` of the budget after this; ``retry_after`` is the seconds to wait when it was refused, else 0."""

    rate: Rate
    remaining: int
    retry_after: float

    @property
    def allowed(self) -> bool:
        """Whether there was room."""
        return self.retry_after == 0


def parse_rate(text: str) -> Rate:
    """``100/6h``, ``20/s``. InvalidParameter for anything else."""
    match = _RATE.fullmatch(text)
    if match is None or not int(match[1]) or match[2] == "0":
        raise InvalidParameter(f"invalid rate {text!r}: use COUNT/TIME, as in 20/s, 600/1m or 100/6h")
    return Rate(int(match[1]), int(match[2] or 1) * _SECONDS[match[3]])


class RateLimit:
    """Budgets of one rate for many keys; the key that has not come for longest is forgotten first."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._cost = rate.window / rate.count
        # When the budget of a key will be full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> Verdict:
        """Use up one of the budget of ``key``, if there is one left."""
        now = self._clock()
        full = max(self._full_at.get(key, now), now) + self._cost
        if (over := full - now - self.rate.window) > 1e-6:
            return Verdict(self.rate, 0, over)
        self._full_at[key] = full
        self._full_at.move_to_end(key)
        while len(self._full_at) > _MOST_KEYS:
            self._full_at.popitem(last=False)
        return Verdict(self.rate, int((self.rate.window - (full - now)) / self._cost + 1e-6), 0)

    def wait_for(self, key: str) -> float:
        """The seconds until ``take`` would allow ``key`` again, using up nothing."""
        now = self._clock()
        return max(max(self._full_at.get(key, now), now) + self._cost - now - self.rate.window, 0)
