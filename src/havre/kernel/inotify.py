"""inotify(7): be told when files in a directory change, instead of asking again and again."""

import ctypes
import os
from pathlib import Path

from havre.kernel.descriptors import readable

MODIFY = 0x2
CREATE = 0x100
MOVED = 0xC0

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Watches one directory. ``changed`` returns after at least one event since the last call; close it when done."""

    def __init__(self, directory: Path, mask: int) -> None:
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), directory)
        try:
            _checked(_libc.inotify_add_watch(self._fd, os.fsencode(directory), mask), directory)
        except OSError:
            os.close(self._fd)
            raise

    async def changed(self) -> None:
        """Wait for an event and forget all there are."""
        await readable(self._fd)
        try:
            os.read(self._fd, 65536)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._fd)


def _checked(result: int, path: Path) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
    return result
