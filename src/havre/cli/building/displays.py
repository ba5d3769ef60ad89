"""What a build looks like without a terminal: plain lines, JSON for programs, or nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from havre.cli.building.steps import Step


class Quiet:
    """Shows nothing."""

    def begun(self, step: Step) -> None: ...
    def wrote(self, step: Step, text: str, seconds: float) -> None: ...
    def status(self, step: Step, text: str, done: bool) -> None: ...
    def ended(self, step: Step) -> None: ...
    def close(self) -> None: ...


class Plain:
    """A line for everything, each with its step's number; steps at once are told apart by it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._current: Step | None = None

    def begun(self, step: Step) -> None:
        self._turn(step)

    def wrote(self, step: Step, text: str, seconds: float) -> None:
        self._turn(step)
        self._say(f"#{step.number} {seconds:.3f} {text}".rstrip())

    def status(self, step: Step, text: str, done: bool) -> None:
        if done:
            self._turn(step)
            self._say(f"#{step.number} {text}")

    def ended(self, step: Step) -> None:
        self._turn(step)
        if step.error:
            self._say(f"#{step.number} ERROR: {step.error}")
        elif step.cached and not step.name.startswith("[internal]"):
            self._say(f"#{step.number} CACHED")
        else:
            self._say(f"#{step.number} DONE {step.seconds:.1f}s")

    def close(self) -> None: ...

    def _turn(self, step: Step) -> None:
        if self._current is step:
            return
        if self._current is not None:
            if not self._current.completed:
                self._say(f"#{self._current.number} ...")
            self._say("")
        self._current = step
        self._say(f"#{step.number} {step.name}")

    def _say(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


class RawJson:
    """One JSON object a line, as BuildKit's clients write them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begun(self, step: Step) -> None:
        self._say("vertexes", self._vertex(step))

    def wrote(self, step: Step, text: str, seconds: float) -> None:
        from binascii import b2a_base64

        data = b2a_base64(f"{text}\n".encode("utf-8", "surrogateescape"), newline=False).decode()
        time = _moment(step.started + int(seconds * 1e9))
        self._say("logs", {"vertex": _digest(step), "stream": 1, "data": data, "timestamp": time})

    def status(self, step: Step, text: str, done: bool) -> None:
        self._say("statuses", {"id": text, "vertex": _digest(step), "current": 0, "timestamp": _moment(step.started)})

    def ended(self, step: Step) -> None:
        self._say("vertexes", self._vertex(step))

    def close(self) -> None: ...

    def _vertex(self, step: Step) -> dict[str, Any]:
        found: dict[str, Any] = {"digest": _digest(step), "name": step.name, "started": _moment(step.started)}
        if step.completed:
            found["completed"] = _moment(step.completed)
        if step.cached:
            found["cached"] = True
        if step.error:
            found["error"] = step.error
        return found

    def _say(self, kind: str, one: dict[str, Any]) -> None:
        from havre.client.jsontext import dumps

        self._out.write(dumps({kind: [one]}) + "\n")
        self._out.flush()


def _digest(step: Step) -> str:
    from hashlib import sha256

    return f"sha256:{sha256(f'{step.number} {step.name} {step.started}'.encode()).hexdigest()}"


def _moment(nanoseconds: int) -> str:
    from havre.lib.times import rfc3339nano

    return rfc3339nano(nanoseconds)
