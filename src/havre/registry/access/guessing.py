"""Slows down who guesses passwords: failures use up a budget, of the address and of the name at that address.

A name is never shut out for everybody, so nobody can lock another out from elsewhere.
"""

import math
import time
from collections.abc import Callable

from havre.registry.access.limits import Rate, RateLimit
from havre.registry.access.peers import budget_key

_PAIR = Rate(5, 60)
_ADDRESS = Rate(30, 300)


class Guessing:
    """Knows how often logins have failed of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pairs = RateLimit(_PAIR, clock)
        self._addresses = RateLimit(_ADDRESS, clock)

    def wait(self, address: str, name: str) -> int:
        """The seconds before another try is looked at; 0 when it is now."""
        address = budget_key(address)
        return math.ceil(max(self._pairs.wait_for(_pair(address, name)), self._addresses.wait_for(address)))

    def failed(self, address: str, name: str) -> None:
        """Note a wrong name or password."""
        address = budget_key(address)
        self._pairs.take(_pair(address, name))
        self._addresses.take(address)


def _pair(address: str, name: str) -> str:
    return f"{address} {name[:200]}"
