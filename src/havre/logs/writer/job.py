"""One container in the log writer: where its log goes, and how conmon's files are kept small."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from havre.logs.writer.jsonfile import JsonFile
from havre.logs.writer.remote import Receiver, Remote
from havre.logs.writer.rotation import Rotation

log = logging.getLogger(__name__)
_FOR_EVER = 1 << 62


class Job:
    """``step`` does a piece of the work; ``waits`` says that there is some which nothing will tell of."""

    def __init__(self, directory: Path, config: dict[str, Any], reopen: Callable[[], None]) -> None:
        self.directory = directory
        self.name = str(config["name"])
        self.waits = False
        self.ended = False
        self._over = False
        self._rotation = Rotation(directory, config["rotation"], reopen)
        self._failed = self._told = False

    def step(self) -> bool:
        """True when there is more to do at once. Raises OSError; what was begun is begun again then."""
        self.waits = self._rotation.check(self._taken(), writing=not self._over)
        return False

    def drain(self, done: Callable[[], None], *, end: bool) -> None:
        """Call ``done`` when what is there now is taken on; with ``end`` conmon has ended, and so does this."""
        self._over = self.ended = self.ended or end
        done()

    def failed(self, reason: str) -> None:
        """A step raised: tell of it once."""
        if not self._told:
            log.warning("log of container %s: %s; it is tried again", self.name, reason)
        self._failed = self._told = True

    def close(self) -> None:
        self._rotation.close()

    def _taken(self) -> int:
        return _FOR_EVER


class JsonJob(Job):
    """To Docker's JSON file."""

    def __init__(self, directory: Path, config: dict[str, Any], reopen: Callable[[], None], *, fresh: bool) -> None:
        super().__init__(directory, config, reopen)
        self._file = JsonFile(directory, config["target"])
        # Who waits, and for how many bytes yet.
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        if fresh:
            # What an earlier run left, of which no daemon saw the end.
            try:
                self._take_all()
            except BaseException:
                self._file.close()
                raise

    def step(self) -> bool:
        if self._failed:
            self._file.reset()
            self._failed = False
        count = self._file.step()
        super().step()
        if count:
            self._told = False
            self._waiting = [(left - count, done) for left, done in self._waiting]
        else:
            self._waiting = [(0, done) for _, done in self._waiting]
            if self._over:
                self._finish()
        for done in [done for left, done in self._waiting if left <= 0]:
            done()
        self._waiting = [one for one in self._waiting if one[0] > 0]
        return count > 0

    def drain(self, done: Callable[[], None], *, end: bool) -> None:
        self._over = self._over or end
        # The end waits for all there is, the others for what there is by now.
        self._waiting.append((_FOR_EVER if end else max(self._file.source.backlog(), 1), done))

    def failed(self, reason: str) -> None:
        super().failed(reason)
        # Nobody waits for a disk that is full.
        for _, done in self._waiting:
            done()
        self._waiting = []
        self.ended = self.ended or self._over

    def close(self) -> None:
        super().close()
        self._file.close()

    def _take_all(self) -> None:
        while self._file.step():
            pass
        self._finish()

    def _finish(self) -> None:
        """conmon has ended and everything is taken on: its files are not needed any more."""
        self._file.flush()
        self._file.done()
        self.ended = self._over

    def _taken(self) -> int:
        return self._file.taken


class RemoteJob(Job):
    """To a receiver somewhere else, by a thread of its own."""

    def __init__(self, directory: Path, config: dict[str, Any], receiver: Receiver, reopen: Callable[[], None]) -> None:
        super().__init__(directory, config, reopen)
        self._remote = Remote(directory, {"name": self.name, **config["target"]}, receiver)
        self._remote.start()

    def step(self) -> bool:
        self._remote.wake()
        super().step()
        # The thread tells nobody that it is through.
        self.waits = self.waits or (self._over and not self.ended)
        return False

    def drain(self, done: Callable[[], None], *, end: bool) -> None:
        if not end:
            # Its log is read from conmon's files: those who settle wait for no receiver.
            done()
            return

        def finish() -> None:
            self.ended = True
            done()

        self._over = True
        self._remote.drain(finish, end=True)

    def close(self) -> None:
        self._remote.stop()
        super().close()

    def _taken(self) -> int:
        return self._remote.taken


def receiver(config: dict[str, Any]) -> Receiver | None:
    """Who receives the log, not connected yet; None when it stays in files."""
    if config["kind"] == "syslog":
        # TLS is large, and few need it.
        from havre.logs.writer.syslog import Syslog

        return Syslog(config["target"])
    if config["kind"] == "journald":
        from havre.logs.writer.journald import Journald

        return Journald(config["target"])
    return None


def make(
    directory: Path, config: dict[str, Any], to: Receiver | None, reopen: Callable[[], None], *, fresh: bool
) -> Job:
    """The job of a driver's plan. ``fresh``: its process has not been started."""
    if to is not None:
        return RemoteJob(directory, config, to, reopen)
    if config["kind"] == "json":
        return JsonJob(directory, config, reopen, fresh=fresh)
    return Job(directory, config, reopen)
