"""What was told and is not in the queue yet: appended to a file at once, so that it outlives a process that is killed.

One write for an event, without waiting for the disk: cheap enough to be done before a push is acknowledged. The queue
is what survives the loss of power.
"""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)
FILE = "webhooks.journal"

Entry = tuple[str, bytes]
"""An endpoint, and an event for it."""


class Journal:
    """An append-only file of entries, one a line; emptied when all of them are in the queue."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, entries: Sequence[Entry]) -> None:
        """Note the entries. A disk that takes none is logged: they are in memory still."""
        lines = (json.dumps([endpoint, body.decode()]) for endpoint, body in entries)
        try:
            os.write(self._fd, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            log.error("cannot note events of webhooks: %s", error)

    def entries(self) -> list[Entry]:
        """What is in the file; a line that was cut off when the process ended is left out."""
        found: list[Entry] = []
        for line in self._path.read_bytes().splitlines():
            try:
                endpoint, body = json.loads(line)
                found.append((endpoint, body.encode()))
            except (ValueError, TypeError, AttributeError):
                log.warning("an event of webhooks was cut off and is lost")
        return found

    def clear(self) -> None:
        """Forget them all."""
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
