"""A pseudo-terminal with a program on it, for tests of what people see and type."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT = 30.0


class Pty:
    """Runs ``argv`` with the terminal as its controlling one, stdin, stdout and stderr.

    ``expect`` waits for a text, ``send`` types, ``resize`` changes the size, ``wait`` gives the exit code. ``seen``
    is everything that was written. Closed at the end of a ``with`` block, the program killed if it still runs.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, size: tuple[int, int] = (24, 80)
    ) -> None:
        self._master, slave = os.openpty()
        self._slave = slave
        self.resize(*size, notify=False)
        self.mode_before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.seen = b""

    def expect(self, text: str) -> None:
        """Wait until ``text`` has been written since the last ``expect``."""
        wanted = text.encode()
        start = getattr(self, "_from", 0)
        while (at := self.seen.find(wanted, start)) < 0:
            assert self._read(), f"{text!r} never came; seen: {self.seen!r}"
        self._from = at + len(wanted)

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def resize(self, rows: int, columns: int, notify: bool = True) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if notify:
            self.process.send_signal(signal.SIGWINCH)

    def mode(self) -> list[object]:
        """The terminal's settings now, to be compared with ``mode_before``."""
        return termios.tcgetattr(self._slave)

    def wait(self) -> int:
        """The exit code; everything written until then is in ``seen``."""
        code = self.process.wait(TIMEOUT)
        while self._read(0.05):
            pass
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        os.close(self._master)

    def _read(self, timeout: float = TIMEOUT) -> bool:
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        self.seen += os.read(self._master, 65536)
        return True

    def __enter__(self) -> Pty:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
