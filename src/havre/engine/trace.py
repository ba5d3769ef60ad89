"""Measured steps of one request, for ``havre run --trace``: names with start and duration in milliseconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Trace:
    """Collects steps; they may overlap. ``steps`` holds (name, start, duration), start counted from the trace's
    making.
    """

    def __init__(self) -> None:
        self._origin = time.perf_counter()
        self.steps: list[tuple[str, float, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what runs inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            end = time.perf_counter()
            self.steps.append((name, round((start - self._origin) * 1e3, 3), round((end - start) * 1e3, 3)))
