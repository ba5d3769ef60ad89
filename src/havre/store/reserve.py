"""A file that takes up room on the data root, to be given up when the disk is full: without any, not even a removal
could be written to the database, and nothing could be removed to make room.
"""

import os
from pathlib import Path

# More than the write-ahead log of the database grows to before it is used again from its beginning.
_SIZE = 8 << 20


class Reserve:
    """One file of 8 MiB at ``path``. Failing to keep it is no error: there may be no room for it now."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def give_up(self) -> bool:
        """Free its room; False when it was free already."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def restore(self) -> None:
        """Take up the room again, if it is not taken up and there is plenty."""
        directory = self._path.parent
        try:
            if self._path.exists() or _free(directory) < 2 * _SIZE:
                return
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _SIZE)
            except OSError:
                self._path.unlink()
                raise
            finally:
                os.close(fd)
        except OSError:
            return


def _free(directory: Path) -> int:
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize
