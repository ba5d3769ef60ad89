"""Promises made to clients that looked: what they saw is still there when they come back with a manifest for it.

A client that pushes asks first which blobs are there (HEAD), leaves those out, and names them in its manifest in the
end. A lease is taken *before* the look, so that whoever collects garbage either was done before, and the client is told
that the blob is gone, or sees the lease. Leases live in memory: a registry that starts grants one on everything, since
nobody knows what its predecessor promised.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SMALLEST_SWEEP = 4096


class Leases:
    """Leases on content of repositories, each for ``seconds``. ``held`` may be called from any thread."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends: dict[tuple[str, str], float] = {}
        self._started = clock()
        self._sweep_at = _SMALLEST_SWEEP

    def take(self, repository: str, digest: str) -> None:
        """Keep ``digest`` in ``repository`` from now on; to be called before looking whether it is there."""
        self._ends[repository, digest] = self._clock() + self.seconds
        if len(self._ends) >= self._sweep_at:
            self._forget_ended()

    @contextmanager
    def looking(self, repository: str, digest: str) -> Iterator[None]:
        """Keep ``digest`` while somebody looks for it, and on if nothing is raised: of what is not there nobody is
        promised anything, and those who ask for it must not fill memory."""
        self.take(repository, digest)
        try:
            yield
        except BaseException:
            self._ends.pop((repository, digest), None)
            raise

    def held(self, repository: str, digest: str) -> bool:
        """Whether somebody may count on ``digest`` being in ``repository``."""
        now = self._clock()
        return now < self._started + self.seconds or now < self._ends.get((repository, digest), 0.0)

    def end(self) -> None:
        """No client counts on anything: for collecting while nothing is served."""
        self._started -= self.seconds
        self._ends.clear()

    def __len__(self) -> int:
        return len(self._ends)

    def _forget_ended(self) -> None:
        now = self._clock()
        self._ends = {key: end for key, end in self._ends.items() if now < end}
        self._sweep_at = max(_SMALLEST_SWEEP, 2 * len(self._ends))
