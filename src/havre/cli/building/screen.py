"""A build on a terminal: a line a step, redrawn in place, with the last lines of those that are running."""

from __future__ import annotations

import os
from threading import Event, RLock, Thread
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from havre.cli.building.steps import Step

_INTERVAL = 0.1  # seconds between two pictures
_LOG_LINES = 6
_BLUE, _RED, _YELLOW, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_SMALLEST = (10, 40)


class Screen:
    """Draws on ``out`` until ``close``, which leaves the last picture standing."""

    def __init__(self, out: TextIO, environ: Mapping[str, str]) -> None:
        self._out = out
        self._colours = not environ.get("NO_COLOR")
        self._steps: list[Step] = []
        self._began = monotonic()
        self._drawn = 0
        self._changed = True
        self._lock = RLock()
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def begun(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)

    def wrote(self, step: Step, text: str, seconds: float) -> None: ...

    def status(self, step: Step, text: str, done: bool) -> None:
        step.progress = text

    def ended(self, step: Step) -> None: ...

    def close(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        self._draw(last=True)

    def _run(self) -> None:
        while not self._over.wait(_INTERVAL):
            self._draw()

    def _draw(self, last: bool = False) -> None:
        columns, rows = self._size()
        with self._lock:
            lines = self._picture(columns, None if last else rows - 1)
            picture = (f"\x1b[{self._drawn}A" if self._drawn else "") + "\x1b[?25l"
            picture += "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[0J\x1b[?25h"
            self._drawn = len(lines)
            self._out.write(picture)
            self._out.flush()

    def _picture(self, columns: int, most: int | None) -> list[str]:
        """The lines of the picture; when there are too many, those of steps that are done go first."""
        done = sum(bool(step.completed) for step in self._steps)
        over = self._over.is_set()
        failed = any(step.error for step in self._steps)
        word = (
            "ERROR"
            if failed and over
            else "FINISHED"
            if over and done == len(self._steps)
            else f"({done}/{len(self._steps)})"
        )
        seconds = monotonic() - self._began
        head = (
            f"[+] Building {seconds:.1f}s {word}"
            if word.startswith("(")
            else (f"[+] Building {seconds:.1f}s ({done}/{len(self._steps)}) {word}")
        )
        blocks = [(step, self._block(step, columns)) for step in self._steps]
        if most is not None:
            surplus = 1 + sum(len(block) for _, block in blocks) - most
            kept = []
            for step, block in blocks:
                if surplus > 0 and step.completed and not step.error:
                    surplus -= len(block)
                else:
                    kept.append((step, block))
            blocks = kept
        lines = [head[:columns], *(line for _, block in blocks for line in block)]
        return lines if most is None else lines[:most]

    def _block(self, step: Step, columns: int) -> list[str]:
        mark = "CACHED " if step.cached and not step.name.startswith("[internal]") else "ERROR " if step.error else ""
        time = f"{step.seconds:.1f}s"
        room = columns - len(time) - len(mark) - 5
        name = step.name.replace("\n", " ")
        name = name if len(name) <= room else name[: max(0, room - 3)] + "..."
        colour = _RED if step.error else _BLUE if step.completed else _YELLOW if step.cached else ""
        lines = [self._coloured(f" => {mark}{name:<{room}} {time}", colour)]
        if not step.completed:
            if step.progress:
                lines.append(f" => => {step.progress}"[:columns])
            shown = list(step.lines)[-_LOG_LINES:]
            lines += [f" => => # {_printable(text)}"[:columns] for _, text in shown]
        return lines

    def _coloured(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if colour and self._colours else text

    def _size(self) -> tuple[int, int]:
        try:
            found = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return max(found.columns, _SMALLEST[1]), max(found.lines, _SMALLEST[0])


def _printable(text: str) -> str:
    """Without what would move the cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text.expandtabs())
