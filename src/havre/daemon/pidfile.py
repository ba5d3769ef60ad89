"""The file that holds the daemon's process id: proof that it runs, and a refusal to start a second one."""

import os
from pathlib import Path

from havre.errors import Conflict
from havre.store.files import write_atomic


class PidFile:
    """The file at ``path`` while this process owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def acquire(self) -> None:
        """Write our id. ``Conflict`` when the file names a havred that is alive; anything else there is left over."""
        owner = self._owner()
        if owner is not None and owner != os.getpid() and _is_havred(owner):
            raise Conflict(
                f"failed to start daemon, ensure havred is not running or delete {self._path}: "
                f"process with PID {owner} is still running"
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, f"{os.getpid()}\n".encode(), durable=False)

    def release(self) -> None:
        """Remove the file if it still is ours."""
        if self._owner() == os.getpid():
            self._path.unlink(missing_ok=True)

    def _owner(self) -> int | None:
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None


def _is_havred(pid: int) -> bool:
    """Whether the process is a havred: ids are given out again, so being alive alone says little."""
    try:
        return b"havred" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
