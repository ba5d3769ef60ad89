"""The loop of the log writer: what the daemon asks comes in on a socket, what conmon wrote by inotify.

One line of JSON a request: ``{"do": "open" | "settle" | "close" | "forget", "id": …, "n": …}``. Each is answered with
``{"n": …}``, and ``"error"`` if it failed; in between the writer says ``{"reopen": id}`` when conmon has to open its
file again, and ``{"log": text}``. The end of the socket is the end of the writer.
"""

import fcntl
import json
import logging
import os
import select
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from havre.kernel.watches import CREATE, MODIFY, MOVED_TO, Watches
from havre.logs.segments import NEWEST
from havre.logs.writer.job import Job, make, receiver
from havre.logs.writer.remote import Receiver

# Whoever writes line by line would else wake us for each.
_REST = 0.003
_RETRY = 1.0
log = logging.getLogger("havre.logs.writer")


def main(arguments: list[str]) -> None:
    """``arguments``: the descriptor of the socket, and the file that only one writer holds."""
    control = socket.socket(fileno=int(arguments[0]))
    lock = os.open(arguments[1], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The writer of a daemon that was killed may not have ended yet.
    fcntl.flock(lock, fcntl.LOCK_EX)
    LogWriter(control).run()
    # Threads may wait for receivers: their positions are on disk.
    sys.stderr.flush()
    os._exit(0)


class LogWriter:
    """All containers whose logs this daemon writes."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._incoming = b""
        self._jobs: dict[str, Job] = {}
        self._watches = Watches()
        # Watches of directories and of conmon's newest files.
        self._by_watch: dict[int, str] = {}
        self._file_watch: dict[str, int] = {}
        self._directory_watch: dict[str, int] = {}
        self._dirty: dict[str, None] = {}
        # Containers the kernel had no watch left for.
        self._polled: set[str] = set()
        self._retry: dict[str, float] = {}
        # Receivers that were connected to beside the loop, or could not be.
        self._connected: list[tuple[dict[str, Any], Receiver, OSError | None]] = []
        self._wake_r, self._wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._saying = threading.Lock()
        self._poll = select.poll()
        self._poll.register(self._wake_r, select.POLLIN)
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._watches.fd, select.POLLIN)
        logging.getLogger().addHandler(_ToDaemon(self))

    def run(self) -> None:
        """Serve until the daemon is gone."""
        while True:
            for fd, _ in self._poll.poll(self._timeout()):
                if fd == self._control.fileno():
                    if not self._listen():
                        return
                elif fd == self._wake_r:
                    self._take_connected()
                else:
                    self._see()
            self._retry_failed()
            self._work()

    def say(self, **words: Any) -> None:
        """Tell the daemon; threads come in here too."""
        try:
            with self._saying:
                self._control.sendall(json.dumps(words).encode() + b"\n")
        except OSError:
            # It is gone, which the loop will see.
            return

    def _timeout(self) -> int | None:
        if self._dirty:
            return 0
        if self._retry:
            return max(0, int((min(self._retry.values()) - time.monotonic()) * 1000) + 1)
        return None

    def _listen(self) -> bool:
        """Take requests; False when the daemon is gone."""
        try:
            data = self._control.recv(1 << 18)
        except OSError:
            return False
        if not data:
            return False
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                self._serve(request)
            except (OSError, ValueError, KeyError) as error:
                self.say(n=request["n"], error=_words(error))
        return True

    def _serve(self, request: dict[str, Any]) -> None:
        what, name, number = request["do"], request["id"], request["n"]
        if what == "open":
            to = receiver(request["config"])
            if to is not None and request["fresh"]:
                threading.Thread(target=self._connect, args=(request, to), daemon=True).start()
            else:
                self._open(request, to)
                self.say(n=number)
            return
        job = self._jobs.get(name)
        if job is None:
            self.say(n=number)
            return
        if what == "forget":
            self._drop(name)
            self.say(n=number)
            return

        def answer() -> None:
            self.say(n=number)

        job.drain(answer, end=what == "close")
        self._dirty[name] = None

    def _connect(self, request: dict[str, Any], to: Receiver) -> None:
        """In a thread: a receiver that does not answer takes its time."""
        failure = None
        try:
            to.connect()
        except OSError as error:
            failure = error
        self._connected.append((request, to, failure))
        os.write(self._wake_w, b"1")

    def _take_connected(self) -> None:
        os.read(self._wake_r, 4096)
        while self._connected:
            request, to, failure = self._connected.pop()
            try:
                if failure is not None:
                    raise failure
                self._open(request, to)
            except OSError as error:
                self.say(n=request["n"], error=_words(error))
            else:
                self.say(n=request["n"])

    def _open(self, request: dict[str, Any], to: Receiver | None) -> None:
        name = request["id"]
        if name in self._jobs:
            self._drop(name)
        directory = Path(request["directory"])
        job = make(directory, request["config"], to, lambda: self.say(reopen=name), fresh=request["fresh"])
        self._jobs[name] = job
        try:
            watch = self._watches.add(directory, CREATE | MOVED_TO)
            self._directory_watch[name], self._by_watch[watch] = watch, name
            self._watch_file(name)
        except OSError as error:
            self._cannot_watch(name, error)
        self._dirty[name] = None

    def _cannot_watch(self, name: str, error: OSError) -> None:
        if name not in self._polled:
            log.warning("log of container %s: %s; it is looked at once a second", self._jobs[name].name, _words(error))
        self._polled.add(name)

    def _watch_file(self, name: str) -> None:
        """Watch conmon's newest file, in place of the one before it."""
        job = self._jobs[name]
        try:
            watch = self._watches.add(job.directory / NEWEST, MODIFY)
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot_watch(name, error)
            return
        old = self._file_watch.get(name)
        if old is not None and old != watch:
            self._watches.remove(old)
            self._by_watch.pop(old, None)
        self._file_watch[name], self._by_watch[watch] = watch, name

    def _drop(self, name: str) -> None:
        job = self._jobs.pop(name)
        for watches in (self._file_watch, self._directory_watch):
            if (watch := watches.pop(name, None)) is not None:
                self._watches.remove(watch)
                self._by_watch.pop(watch, None)
        self._dirty.pop(name, None)
        self._retry.pop(name, None)
        self._polled.discard(name)
        job.close()

    def _see(self) -> None:
        for event in self._watches.read():
            if event.watch < 0:
                # There were more than the kernel keeps.
                for each in self._jobs:
                    self._watch_file(each)
                    self._dirty[each] = None
            name = self._by_watch.get(event.watch)
            if name is None:
                continue
            if event.name and event.name != NEWEST.encode():
                continue
            if event.name:
                self._watch_file(name)
            self._dirty[name] = None

    def _retry_failed(self) -> None:
        now = time.monotonic()
        for name in [name for name, when in self._retry.items() if when <= now]:
            del self._retry[name]
            self._dirty[name] = None

    def _work(self) -> None:
        """One step of each container that has something to do."""
        busy = False
        for name in list(self._dirty):
            job = self._jobs.get(name)
            if job is None or name in self._retry:
                self._dirty.pop(name, None)
                continue
            busy = True
            try:
                more = job.step()
            except OSError as error:
                job.failed(_words(error))
                self._retry[name] = time.monotonic() + _RETRY
                more = False
            if not more:
                self._dirty.pop(name, None)
                if job.waits or name in self._polled:
                    self._retry.setdefault(name, time.monotonic() + _RETRY)
                if job.ended:
                    self._drop(name)
        if busy and not self._dirty:
            select.select([self._control], [], [], _REST)


class _ToDaemon(logging.Handler):
    """Warnings go where the daemon's go."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.say(log=record.getMessage())


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error)
