"""Whether a failed request is worth another try, and when."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from havre.image.remote.failures import RemoteFailure

T = TypeVar("T")

_WORTH_ANOTHER = 1 << 16  # an attempt that brought this much proves that the line works, however often it breaks
_SOON = 0.05  # seconds until the next attempt then


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter, in seconds. ``patience`` bounds what a registry may ask us to wait."""

    attempts: int = 5
    first: float = 0.5
    longest: float = 30.0
    patience: float = 60.0

    def hurried(self) -> "RetryPolicy":
        """For a place that is not the last to ask: one more attempt, at once, and no waiting on its demand."""
        return replace(
            self, attempts=min(self.attempts, 2), first=min(self.first, 0.1), patience=min(self.patience, 1.0)
        )

    def pause(self, attempt: int, failure: RemoteFailure) -> float | None:
        """Seconds to wait after the ``attempt``-th try (from 1) failed; None means: give up."""
        if not failure.transient or attempt >= self.attempts:
            return None
        if failure.retry_after is not None:
            # Whoever asks for an hour has refused for now; to hang silently for it would help nobody.
            return failure.retry_after if failure.retry_after <= self.patience else None
        ceiling: float = min(self.longest, self.first * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.75, 1.25)


class Attempts:
    """The attempts of one transfer, which each go on where the one before broke off."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failed = 0

    def pause(self, failure: RemoteFailure, brought: int) -> float | None:
        """Seconds to wait after an attempt that failed when it had brought so many bytes; None means: give up."""
        works = brought >= _WORTH_ANOTHER
        self._failed = 1 if works else self._failed + 1
        pause = self._policy.pause(self._failed, failure)
        if pause is None or not works or failure.retry_after is not None:
            return pause
        return min(pause, _SOON)


async def persistently(policy: RetryPolicy, work: Callable[[], Awaitable[T]]) -> T:
    """Do ``work`` until it succeeds or ``policy`` gives up; then its last ``RemoteFailure`` is raised."""
    attempt = 1
    while True:
        try:
            return await work()
        except RemoteFailure as failure:
            pause = policy.pause(attempt, failure)
            if pause is None:
                raise
        await asyncio.sleep(pause)
        attempt += 1


async def count_down(seconds: float, say: Callable[[str], None]) -> None:
    """Wait, and tell how long it will still be."""
    while seconds > 0:
        left = math.ceil(seconds)
        say(f"Retrying in {left} second{'s' if left != 1 else ''}")
        await asyncio.sleep(min(1.0, seconds))
        seconds -= 1.0
