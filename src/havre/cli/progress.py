"""What the daemon tells while it works (pull, load, import, push): bars that move on a terminal, plain lines elsewhere.

On a terminal every id has a line of its own, redrawn in place; elsewhere only the steps are printed, not their counts.
"""

from __future__ import annotations

import os
from time import time

from havre.cli.errors import CommandError
from havre.cli.terminal import descriptor_of, is_terminal
from havre.lib.sizes import human_size
from havre.wire.jsonlines import Decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from havre.client.response import Response

# What is assumed of a terminal that does not tell its width.
_WIDE = 200
_BAR = 50


def follow(response: Response, out: TextIO | None, on_aux: Callable[[Any], object] | None = None) -> None:
    """Print the messages of a response as they come; None prints nothing. ``on_aux`` gets what is not for people.

    Raises CommandError with the daemon's reason when the work failed.
    """
    decoder = Decoder()
    screen = Screen(out) if out is not None else None
    for piece in response.iter_chunks():
        _take(decoder.feed(piece), screen, on_aux)
    _take(decoder.close(), screen, on_aux)


def _take(messages: list[object], screen: Screen | None, on_aux: Callable[[Any], object] | None) -> None:
    for message in messages:
        if not isinstance(message, dict):
            continue
        if (detail := message.get("errorDetail")) or message.get("error"):
            raise _failure(detail, message.get("error"))
        if "aux" in message:
            if on_aux is not None:
                on_aux(message["aux"])
        elif screen is not None:
            screen.show(message)
    if screen is not None:
        screen.out.flush()


def _failure(detail: Any, text: Any) -> CommandError:
    code, message = 1, text
    if isinstance(detail, dict):
        code, message = detail.get("code") or 1, detail.get("message") or text
    if code == 401:
        message = "authentication is required"
    return CommandError(str(message), code if 0 < code < 126 else 1)


class Screen:
    """The messages on ``out``. ``width`` and ``terminal`` are found out unless given."""

    def __init__(self, out: TextIO, *, terminal: bool | None = None, width: int | None = None) -> None:
        self.out = out
        descriptor = descriptor_of(out)
        self._terminal = is_terminal(descriptor) if terminal is None else terminal
        self._width = _width(descriptor) if width is None else width
        self._lines: dict[str, int] = {}

    def show(self, message: dict[str, Any]) -> None:
        """Print one message."""
        identifier, progress = message.get("id") or "", message.get("progressDetail")
        moves = 0
        if identifier and progress is not None:
            if identifier not in self._lines:
                self._lines[identifier] = len(self._lines)
                if self._terminal:
                    self.out.write("\n")
            moves = len(self._lines) - self._lines[identifier]
            if self._terminal:
                self.out.write(f"\x1b[{moves}A")
        else:
            # A line without progress ends the block of lines that are redrawn.
            self._lines = {}
        self.out.write(self._text(message, identifier, progress))
        if identifier and self._terminal and moves:
            self.out.write(f"\x1b[{moves}B")

    def _text(self, message: dict[str, Any], identifier: str, progress: dict[str, Any] | None) -> str:
        stream = message.get("stream") or ""
        start = f"{identifier}: " if identifier else ""
        if message.get("from"):
            start += f"(from {message['from']}) "
        status = message.get("status") or ""
        if progress is not None and self._terminal and not stream:
            return f"\x1b[2K\r{start}{status} {bar(progress, self._width)}\r"
        if progress is not None and bar(progress, self._width):
            return ""
        return f"{start}{stream}" if stream else f"{start}{status}\n"


def bar(progress: dict[str, Any], width: int) -> str:
    """``[=====>    ]  1.2MB/3MB``; "" when nothing is known of how far it is. Narrow terminals get only the counts."""
    current, total = progress.get("current") or 0, progress.get("total") or 0
    units = progress.get("units") or ""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{current} {units}" if units else f"{human_size(current):>8}"
    done = min(int(current / total * 100) // 2, _BAR)
    box = f"[{'=' * done}>{' ' * (_BAR - done)}] " if width > 110 else ""
    if progress.get("hidecounts"):
        counts = ""
    elif units:
        counts = f"{current}/{total} {units}"
    else:
        counts = f"{human_size(current):>8}" + (f"/{human_size(total)}" if current <= total else "")
    return box + counts + _left(progress, current, total, done, width)


def _left(progress: dict[str, Any], current: int, total: int, done: int, width: int) -> str:
    """About how long it will still take, when the beginning is known and there is room to say it."""
    start = progress.get("start") or 0
    if current <= 0 or start <= 0 or done >= _BAR or width <= 50:
        return ""
    seconds = round((time() - start) / current * (total - current))
    hours, minutes = seconds // 3600, seconds // 60
    if hours:
        return f" {hours}h{minutes % 60}m{seconds % 60}s"
    return f" {minutes}m{seconds % 60}s" if minutes else f" {seconds}s"


def _width(descriptor: int) -> int:
    try:
        return os.get_terminal_size(descriptor).columns or _WIDE
    except (OSError, ValueError):
        return _WIDE
