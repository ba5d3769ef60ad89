"""The local terminal: is it one, how large is it, raw mode and back. Commands that attach come in here."""

from __future__ import annotations

import os

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def size(descriptor: int) -> tuple[int, int]:
    """(rows, columns) of a terminal; (0, 0) if the descriptor is none."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return 0, 0
    return found.lines, found.columns


def descriptor_of(stream: Any) -> int:
    """The file descriptor under a text stream, -1 if there is none (a test's buffer, a closed stream)."""
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return -1


def is_terminal(descriptor: int) -> bool:
    return descriptor >= 0 and os.isatty(descriptor)


def require_terminal(stdin: int, attach_stdin: bool, tty: bool) -> None:
    """Refuse ``-it`` where stdin is no terminal, with Docker's words."""
    if attach_stdin and tty and not is_terminal(stdin):
        raise CommandError("the input device is not a TTY")


class RawTerminal:
    """Raw mode of a terminal for the time of a ``with`` block; ``restore`` may be called earlier and more than once.

    Restoring happens whatever ends the block, so a failure cannot leave the shell without echo.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._saved: list[Any] | None = None

    def __enter__(self) -> RawTerminal:
        import termios

        if is_terminal(self._descriptor):
            self._saved = termios.tcgetattr(self._descriptor)
            termios.tcsetattr(self._descriptor, termios.TCSANOW, _raw(self._saved))
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        import termios

        saved, self._saved = self._saved, None
        if saved is not None:
            try:
                termios.tcsetattr(self._descriptor, termios.TCSANOW, saved)
            except termios.error:
                # The terminal is gone (its window was closed): there is nothing to restore.
                pass


def _raw(mode: list[Any]) -> list[Any]:
    """cfmakeraw(3), but with output processing left on, as Docker's client has it: local messages keep their
    line ends.
    """
    import termios as t

    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = mode
    iflag &= ~(t.IGNBRK | t.BRKINT | t.PARMRK | t.ISTRIP | t.INLCR | t.IGNCR | t.ICRNL | t.IXON)
    oflag &= ~t.OPOST
    lflag &= ~(t.ECHO | t.ECHONL | t.ICANON | t.ISIG | t.IEXTEN)
    cflag = (cflag & ~(t.CSIZE | t.PARENB)) | t.CS8
    characters = list(characters)
    characters[t.VMIN] = 1
    characters[t.VTIME] = 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, characters]
