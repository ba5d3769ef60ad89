"""Taking logs on to a receiver that may be slow, or away: a thread a container.

A block is committed once the receiver's socket has taken it. So nothing is lost while the receiver is away, as long as
conmon's files are kept, and a writer that is killed sends at most one block twice.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Protocol

from havre.logs.writer.lines import Lines, Message
from havre.logs.writer.position import Half, Position, PositionFile
from havre.logs.writer.source import Source

log = logging.getLogger(__name__)

_BLOCK = 64 << 10
_LAST_PATIENCE = 0.5
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0


class Receiver(Protocol):
    """Where messages go. ``connect`` and ``send`` raise OSError."""

    def connect(self) -> None:
        """Make a connection, in place of the one there is."""

    def send(self, messages: Sequence[Message]) -> None:
        """Hand over all of them, in order."""

    def close(self) -> None: ...


class Remote:
    """One container's way to its receiver. ``bound`` is how many bytes may wait, 0 for as many as are kept."""

    def __init__(self, directory: Path, config: dict[str, Any], receiver: Receiver) -> None:
        self._name = str(config["name"])
        self._bound = int(config["bound"])
        self._receiver = receiver
        self._file = PositionFile(directory / "log.position")
        self._position = self._file.load()
        self.source = Source(directory, self._position.number, self._position.offset)
        self._lines = Lines(self._position.out, self._position.err)
        self._news = Event()
        self._flushing = False
        self._down = False
        self._stopped = False
        self._lock = Lock()
        self._on_idle: list[Callable[[], None]] = []
        self._thread = Thread(target=self._run, name=f"log of {self._name}", daemon=True)

    @property
    def taken(self) -> int:
        """Segments with a lower number are taken on, for good."""
        return self._position.number

    def start(self) -> None:
        """Begin. The receiver is connected already, or will be when it can."""
        self._thread.start()

    def wake(self) -> None:
        """There is more to read."""
        self._news.set()

    def drain(self, done: Callable[[], None], *, end: bool) -> None:
        """Call ``done`` when all there is now was sent, or cannot be for now; with ``end`` conmon has ended."""
        with self._lock:
            self._on_idle.append(done)
            self._flushing = self._flushing or end
        self._news.set()

    def stop(self) -> None:
        """End the thread. One that hangs at its receiver ends when that gives up, and commits nothing more."""
        self._stopped = True
        self._news.set()
        self._thread.join(_LAST_PATIENCE)

    def _run(self) -> None:
        delay = _FIRST_DELAY
        while not self._stopped:
            self._news.clear()
            try:
                self._send_all()
            except OSError as error:
                if not self._down:
                    log.warning("log of container %s: %s; its lines wait", self._name, error)
                self._down = True
                self._lines = Lines(self._position.out, self._position.err)
                self.source.rewind(self._position.number, self._position.offset)
                self._idle()
                self._news.wait(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
                continue
            delay = _FIRST_DELAY
            self._idle()
            self._news.wait()
        self._receiver.close()
        self.source.close()
        self._file.close()

    def _send_all(self) -> None:
        if self._down:
            self._receiver.connect()
            self._down = False
        while not self._stopped:
            with self._lock:
                flushing = self._flushing
            self._drop_surplus()
            block = self.source.read(_BLOCK)
            messages = self._lines.feed(block) if block else []
            if not block and flushing:
                messages = self._lines.flush()
                self._flushing = False
            if messages:
                self._receiver.send(messages)
            if (block or messages) and not self._stopped:
                out, err = self._lines.halves
                self._position = Position(self.source.number, self.source.offset, 0, 0, 0, out, err)
                self._file.commit(self._position)
            if not block:
                return

    def _drop_surplus(self) -> None:
        """Without blocking, only so much waits: the oldest of what is more is left out."""
        if not self._bound or (surplus := self.source.backlog() - self._bound) <= _BLOCK:
            return
        dropped = 0
        while dropped < surplus and (block := self.source.read(_BLOCK)):
            dropped += len(block)
        self._lines = Lines(Half(), Half())
        log.warning("log of container %s: %d bytes were left out, the receiver is too slow", self._name, dropped)

    def _idle(self) -> None:
        with self._lock:
            waiting, self._on_idle = self._on_idle, []
        for done in waiting:
            done()
