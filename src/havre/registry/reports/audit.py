"""The audit log: a line of JSON for each request, in a file that is rotated, or on standard output.

Control characters and everything that is not ASCII are escaped by JSON, so no request can forge a line or paint a
terminal. Neither queries nor headers with credentials are written.
"""

import json
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from havre.errors import InvalidParameter
from havre.lib.times import rfc3339nano

log = logging.getLogger(__name__)
_LONGEST_WORD = 1024


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One request that has been answered; ``seconds`` is how long that took, ``time`` nanoseconds since 1970."""

    time: int
    request_id: str
    address: str
    identity: str
    method: str
    path: str
    status: int
    sent: int
    received: int
    seconds: float
    action: str = ""
    repository: str = ""
    user_agent: str = ""


def line(record: AuditRecord) -> bytes:
    """The record as it is written: one line, ASCII only."""
    fields = {
        "time": rfc3339nano(record.time),
        "id": record.request_id,
        "address": record.address,
        "identity": record.identity,
        "method": record.method[:_LONGEST_WORD],
        "path": record.path.partition("?")[0][:_LONGEST_WORD],
        "status": record.status,
        "sent": record.sent,
        "received": record.received,
        "seconds": round(record.seconds, 6),
        "action": record.action,
        "repository": record.repository[:_LONGEST_WORD],
        "userAgent": record.user_agent[:_LONGEST_WORD],
    }
    return json.dumps({key: value for key, value in fields.items() if value != ""}).encode("ascii") + b"\n"


class AuditLog:
    """Writes lines to a file, of up to ``most_bytes``, keeping ``keep`` full ones beside it (``.1`` the newest)."""

    def __init__(self, path: Path, most_bytes: int = 100_000_000, keep: int = 5) -> None:
        """InvalidParameter when the file cannot be opened."""
        self._path = path
        self._most = most_bytes
        self._keep = keep
        self._failing = False
        try:
            self._fd = _open(path)
        except OSError as error:
            raise InvalidParameter(f"cannot write the audit log: {error}") from error
        self._size = os.fstat(self._fd).st_size

    def write(self, record: AuditRecord) -> None:
        """Append the record's line. A disk that takes none is told of once in the log; requests go on."""
        data = line(record)
        try:
            if self._size and self._size + len(data) > self._most:
                self._rotate()
            # One write, appended: a line is never torn by another process that writes there.
            self._size += os.write(self._fd, data)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.error("cannot write the audit log: %s", error)
            self._failing = True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.rename(self._numbered(number + 1))
        if self._keep:
            self._path.rename(self._numbered(1))
        else:
            self._path.unlink()
        fresh = _open(self._path)
        os.close(self._fd)
        self._fd, self._size = fresh, 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class AuditStream:
    """The same lines on standard output."""

    def write(self, record: AuditRecord) -> None:
        """Write the record's line."""
        sys.stdout.buffer.write(line(record))
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing to close."""


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
