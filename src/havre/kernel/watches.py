"""inotify(7) on many paths at once, for a loop without asyncio; ``inotify`` has the one for a loop with it."""

import ctypes
import os
import struct
from typing import NamedTuple

MODIFY = 0x2
CREATE = 0x100
MOVED_TO = 0x80
MOVED = 0xC0
_EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """What happened at the path of ``watch``; ``name`` is the entry, where the path is a directory."""

    watch: int
    mask: int
    name: bytes


class Watches:
    """An inotify instance: ``fd`` is readable when there are events."""

    def __init__(self) -> None:
        self.fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify")

    def add(self, path: str | os.PathLike[str], mask: int) -> int:
        """Watch a path; the number names the watch until it is removed or the path is gone."""
        return _checked(_libc.inotify_add_watch(self.fd, os.fsencode(path), mask), os.fspath(path))

    def remove(self, watch: int) -> None:
        """Watch it no more; nothing happens when it is gone by itself."""
        _libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> list[Event]:
        """All events there are."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        events, position = [], 0
        while position < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            events.append(Event(watch, mask, data[position : position + length].rstrip(b"\0")))
            position += length
        return events

    def close(self) -> None:
        os.close(self.fd)


def _checked(result: int, path: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return result
