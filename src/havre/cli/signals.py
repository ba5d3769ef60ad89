"""Signals sent to the client while it is attached: forwarded to the container, and the terminal's new size told to it.

Python runs signal handlers in the main thread only, which may be blocked writing to a slow terminal. So the handlers
do nothing; the signal's number goes through a pipe (``signal.set_wakeup_fd``) to a thread, which asks the daemon over
a connection of its own.
"""

from __future__ import annotations

import os
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Not forwarded: what a process gets for its own faults and children, what cannot be caught, the job control that
# would take our own standing in the shell away, and SIGWINCH, which some servers take for an order to stop.
_OWN = frozenset(
    {"SIGKILL", "SIGSTOP", "SIGCHLD", "SIGPIPE", "SIGURG", "SIGWINCH", "SIGTTIN", "SIGTTOU"}
    | {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS"}
)
_ENDING = {signal.SIGTERM, signal.SIGHUP}
_STOP = b"\0"
RESIZE_TRIES = 10
_INSTANT = 0.05  # seconds


def forwarded() -> list[signal.Signals]:
    """The signals that go on to the container."""
    return [number for number in signal.Signals if number.name not in _OWN]


class SignalRelay:
    """Relays for the time of a ``with`` block. Signals that are not forwarded end the program as ever, but by
    unwinding it, so that the terminal gets its mode back. ``kill(name)`` is called for each signal ("INT"),
    ``resize()`` for each change of the terminal's size and at ``resize_now``; either may be None. Both run in the
    relay's thread; their HavreErrors are dropped, a resize is tried again for a moment (an exec may not have begun
    yet).
    """

    def __init__(self, kill: Callable[[str], object] | None, resize: Callable[[], object] | None) -> None:
        self._kill = kill
        self._resize = resize
        self._saved: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._ending: set[int] = set()
        self._leaving = False

    def __enter__(self) -> SignalRelay:
        numbers = forwarded() if self._kill is not None else []
        if self._resize is not None:
            numbers.append(signal.SIGWINCH)
        if not numbers or threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in numbers:
            self._saved[number] = signal.signal(number, _nothing)
        for number in _ENDING - self._saved.keys():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._saved[number] = signal.signal(number, self._leave)
                self._ending.add(number)
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pipe is None or self._thread is None:
            return
        for number, handler in self._saved.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.write(self._pipe[1], _STOP)
        self._thread.join(1)
        if not self._thread.is_alive():
            os.close(self._pipe[0])
            os.close(self._pipe[1])

    def resize_now(self) -> None:
        """Tell the terminal's size once, without waiting for it to change."""
        if self._pipe is not None and self._resize is not None:
            os.write(self._pipe[1], bytes([signal.SIGWINCH]))

    def _run(self) -> None:
        assert self._pipe is not None
        while data := os.read(self._pipe[0], 64):
            for number in data:
                if number == _STOP[0]:
                    return
                if number in self._ending:
                    self._insist(number)
                elif number == signal.SIGWINCH:
                    self._tell_size()
                elif self._kill is not None:
                    self._ask(self._kill, signal.Signals(number).name.removeprefix("SIG"))

    def _leave(self, number: int, _: object) -> None:
        # Once: a second one would break off the unwinding, and with it what gives the terminal its mode back.
        if not self._leaving:
            self._leaving = True
            raise SystemExit(128 + number)

    def _insist(self, number: int) -> None:
        """See to it that the main thread runs its handler: a signal that comes in the instant before a read begins
        does not end that read.
        """
        main = threading.main_thread().ident
        assert main is not None
        time.sleep(_INSTANT)
        while not self._leaving:
            signal.pthread_kill(main, number)
            time.sleep(_INSTANT)

    def _tell_size(self) -> None:
        assert self._resize is not None
        for attempt in range(RESIZE_TRIES):
            if self._ask(self._resize):
                return
            time.sleep(0.01 * (attempt + 1))

    def _ask(self, action: Callable[..., object], *args: str) -> bool:
        from havre.errors import HavreError

        try:
            action(*args)
        except (HavreError, OSError):
            return False
        return True


def _nothing(*_: object) -> None:
    """The relay's pipe has the signal; the handler exists so that the default action does not happen."""
