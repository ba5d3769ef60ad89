"""``run --trace``: the timeline of a run, measured. The client times its own steps; what the daemon did inside one of
them it says in the answer's ``X-Havre-Trace`` header (havred does; dockerd has none, then only the client's steps are
shown).
"""

from __future__ import annotations

from time import perf_counter

from havre.client.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

HEADER = "x-havre-trace"
_BAR = 40
_MOST_STEPS = 64


class Step:
    """One step: times in milliseconds from the beginning of the program. ``inner`` are the daemon's steps within it."""

    def __init__(self, name: str, start: float) -> None:
        self.name = name
        self.start = start
        self.duration = 0.0
        self.inner: list[Step] = []

    def as_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"name": self.name, "start_ms": self.start, "duration_ms": self.duration}
        if self.inner:
            out["steps"] = [step.as_dict() for step in self.inner]
        return out


class Trace:
    """Collects steps in the order they begin. Without ``wanted`` it does nothing, so commands need not ask."""

    def __init__(self, wanted: bool, zero: float) -> None:
        self._wanted = wanted
        self._zero = zero
        self.steps: list[Step] = []

    def now(self) -> float:
        return round((perf_counter() - self._zero) * 1000, 3)

    def step(self, name: str, start: float | None = None) -> _Timed:
        """``with trace.step("create"):`` times the block; ``start`` sets an earlier beginning (milliseconds)."""
        made = Step(name, self.now() if start is None else start)
        if self._wanted:
            self.steps.append(made)
        return _Timed(self, made)

    def table(self, title: str) -> str:
        """The steps as lines with bars, one after the other in time."""
        total = max((step.start + step.duration for step in self.steps), default=0.0)
        rows = [row for step in self.steps for row in (("", step), *(("  ", inner) for inner in step.inner))]
        width = max((len(indent + step.name) for indent, step in rows), default=0)
        lines = [f"{title}: {total:.1f} ms", f"{'STEP':<{width}}  {'START':>9}  {'TIME':>9}"]
        for indent, step in rows:
            bar = _bar(step, total)
            lines.append(f"{indent + step.name:<{width}}  {step.start:>9.1f}  {step.duration:>9.1f}  {bar}".rstrip())
        return "\n".join(lines) + "\n"

    def json(self, title: str) -> str:
        """The same as one JSON object on a line."""
        total = max((step.start + step.duration for step in self.steps), default=0.0)
        return dumps({"command": title, "total_ms": total, "steps": [step.as_dict() for step in self.steps]}) + "\n"


class _Timed:
    def __init__(self, trace: Trace, step: Step) -> None:
        self._trace = trace
        self._step = step

    def __enter__(self) -> _Timed:
        return self

    def __exit__(self, *_: object) -> None:
        self._step.duration = round(self._trace.now() - self._step.start, 3)

    def rename(self, name: str) -> None:
        """Call the step what it turned out to be."""
        self._step.name = name

    def inside(self, headers: Mapping[str, str]) -> None:
        """Take the daemon's steps from an answer's headers; what is not understood is left out."""
        try:
            entries = loads(headers.get(HEADER, "[]"))
        except ValueError:
            return
        for entry in entries[:_MOST_STEPS] if isinstance(entries, list) else []:
            if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], str)):
                continue
            if not all(isinstance(value, int | float) for value in entry[1:]):
                continue
            name = "".join(char for char in entry[0][:40] if char.isprintable())
            inner = Step(name, round(self._step.start + entry[1], 3))
            inner.duration = round(float(entry[2]), 3)
            self._step.inner.append(inner)
        self._step.inner.sort(key=lambda inner: inner.start)


def _bar(step: Step, total: float) -> str:
    if not total:
        return ""
    left = min(_BAR - 1, int(step.start / total * _BAR))
    width = max(1, min(_BAR - left, round(step.duration / total * _BAR)))
    return " " * left + "#" * width
