"""The command-line clients as the tests drive them: run to the end, run beside the test, or run on a terminal.

Who comes in: the fixtures ``docker``, ``havre`` and ``cli``, which bind a program to a daemon's socket.
"""

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from tests.system.harness import PATIENCE


@dataclass(frozen=True, slots=True)
class Output:
    """What a program said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def table(self) -> list[dict[str, str]]:
        """An output table as one mapping a row; columns are as wide as the header says."""
        header, *rows = self.lines
        starts = [i for i, char in enumerate(header) if char != " " and (i == 0 or header[i - 2 : i] == "  ")]
        ends = [*starts[1:], None]
        names = [header[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        cells = [[row[start:end].strip() for start, end in zip(starts, ends, strict=True)] for row in rows]
        return [dict(zip(names, row, strict=True)) for row in cells]


class Program:
    """One client, bound to one daemon by its environment."""

    def __init__(self, path: str, env: Mapping[str, str]) -> None:
        self.path = path
        self.name = os.path.basename(path)
        self.env = dict(env)

    def __call__(
        self,
        *args: str,
        stdin: str | bytes = "",
        code: int | None = 0,
        timeout: float = 90,
        env: Mapping[str, str] = {},
    ) -> Output:
        """Run it to its end and check its exit code (``None``: any)."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [self.path, *args], input=data, capture_output=True, timeout=timeout, env={**self.env, **env}
        )
        output = Output(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert code is None or output.code == code, f"{self.name} {' '.join(args)}: {output}"
        return output

    def start(self, *args: str, stdin: int | IO[bytes] = subprocess.PIPE) -> "subprocess.Popen[bytes]":
        """Run it beside the test, with pipes at all three streams."""
        return subprocess.Popen(
            [self.path, *args], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env
        )

    def terminal(self, *args: str, rows: int = 24, columns: int = 80) -> "Terminal":
        """Run it on a pseudo-terminal of its own."""
        return Terminal([self.path, *args], self.env, rows, columns)


class Terminal:
    """A program on a pty: what it prints is matched by ``expect``, in order. Use as a context manager."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], rows: int, columns: int) -> None:
        self._command = command
        self.screen = ""
        """All that was printed so far."""
        self._seen = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._fd, terminal = pty.openpty()
        self.resize(rows, columns)
        self._process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**env, "TERM": "xterm"},
            start_new_session=True,
            # Without a controlling terminal there is no SIGWINCH.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)

    def send(self, text: str | bytes) -> None:
        os.write(self._fd, text.encode() if isinstance(text, str) else text)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: str, timeout: float = PATIENCE) -> str:
        """Wait until ``text`` is printed after the last match; returns what stood before it."""
        deadline = time.monotonic() + timeout
        while (at := self.screen.find(text, self._seen)) < 0:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{self._command}: {text!r} did not come; on the screen:\n{self.screen!r}")
        before = self.screen[self._seen : at]
        self._seen = at + len(text)
        return before

    def wait(self, timeout: float = PATIENCE) -> int:
        """Read to the program's end; returns its exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"{self._command} did not end; on the screen:\n{self.screen!r}"
        return self._process.wait(timeout)

    def _read(self, timeout: float) -> bool:
        """Take in what the program printed; False at its end."""
        ready, _, _ = select.select([self._fd], [], [], max(timeout, 0))
        assert ready, f"{self._command} printed nothing more; on the screen:\n{self.screen!r}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: no process holds the terminal any more
            return False
        self.screen += self._decoder.decode(data)
        return bool(data)
