"""The steps of a build as the client knows them: numbered as they are first told of, with their times and last lines.

What is shown (``plain``, ``screen``, ``rawjson``) is told of each change.
"""

from __future__ import annotations

from collections import deque
from time import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Display(Protocol):
        """Shows a build."""

        def begun(self, step: Step) -> None: ...
        def wrote(self, step: Step, text: str, seconds: float) -> None: ...
        def status(self, step: Step, text: str, done: bool) -> None: ...
        def ended(self, step: Step) -> None: ...
        def close(self) -> None: ...


_LAST_LINES = 20


class Step:
    """One step. ``seconds`` is how long it took; ``lines`` are the last it wrote, with their times."""

    def __init__(self, number: int, name: str, started: int) -> None:
        self.number = number
        self.name = name
        self.started = started
        self.completed = 0
        self.cached = False
        self.error = ""
        self.partial: dict[int, str] = {}
        self.lines: deque[tuple[float, str]] = deque(maxlen=_LAST_LINES)
        self.progress = ""

    @property
    def seconds(self) -> float:
        return max(0, (self.completed or time_ns()) - self.started) / 1e9


class Steps:
    """Keeps the steps, and lets ``display`` show what happens to them."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self._steps: dict[object, Step] = {}

    def begin(self, key: object, name: str, started: int = 0) -> Step:
        """A step that was not there before."""
        step = self._steps[key] = Step(len(self._steps) + 1, name, started or time_ns())
        self.display.begun(step)
        return step

    def end(self, step: Step, completed: int = 0, *, cached: bool = False, error: str = "") -> None:
        for rest in step.partial.values():
            if rest:
                self._line(step, rest, time_ns())
        step.partial.clear()
        step.completed, step.cached, step.error = completed or time_ns(), cached, error
        self.display.ended(step)

    def take(self, message: dict[str, Any]) -> None:
        """Take in one line of the daemon's."""
        if found := message.get("vertex"):
            step = self._steps.get(found["id"])
            if step is None or step.completed:
                step = self.begin(found["id"], found["name"], found.get("started") or found.get("completed") or 0)
            if found.get("completed"):
                self.end(step, found["completed"], cached=found.get("cached", False), error=found.get("error", ""))
        elif found := message.get("log"):
            if (step := self._steps.get(found["id"])) is not None:
                self._wrote(step, found["stream"], found["text"], found["time"])
        elif (found := message.get("status")) and (step := self._steps.get(found["id"])) is not None:
            self.display.status(step, found["text"], True)

    def failed(self) -> Step | None:
        """The step that went wrong."""
        return next((step for step in self._steps.values() if step.error), None)

    def _wrote(self, step: Step, stream: int, text: str, time: int) -> None:
        *lines, rest = (step.partial.get(stream, "") + text).split("\n")
        step.partial[stream] = rest
        for line in lines:
            self._line(step, line, time)

    def _line(self, step: Step, line: str, time: int) -> None:
        # What a program draws over itself is shown as it ends up.
        line = line.rstrip("\r").rpartition("\r")[2]
        seconds = max(0, time - step.started) / 1e9
        step.lines.append((seconds, line))
        self.display.wrote(step, line, seconds)
