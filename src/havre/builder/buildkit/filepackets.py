"""Receiving files: BuildKit's protocol for directories (fsutil), without any input or output of its own.

The sender tells all files in order; the receiver asks by number for those whose content it lacks, and gets it in
pieces. Both say when they are done. Nothing a sender says leads out of the directory: paths are checked, and a file
lies only in what this very sender has told to be a directory.
"""

import stat
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from havre.builder.buildkit.messages.session import DATA, ERROR, FINISH, REQUEST, STAT, Packet, Stat
from havre.errors import InvalidParameter

_MOST_FILES = 5_000_000
_LONGEST_PATH = 4096
_MOST_ASKED = 64  # files under way at once: each is open
# Go's bits for kinds of files and for what lies above the permissions.
_KINDS = ((1 << 31, stat.S_IFDIR), (1 << 27, stat.S_IFLNK), (1 << 25, stat.S_IFIFO), (1 << 24, stat.S_IFSOCK))
_DEVICE, _CHARACTER = 1 << 26, 1 << 21
_SPECIAL = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))


class BadFiles(InvalidParameter):
    """A sender broke the protocol."""


class Sink(Protocol):
    """Where files go. ``entry`` says whether the content is wanted."""

    def entry(self, path: str, mode: int, told: Stat) -> bool: ...

    def data(self, path: str, data: bytes) -> None: ...

    def end(self, path: str) -> None: ...

    def complete(self) -> None:
        """All files have been told; there are no others."""


def mode_of(bits: int) -> int:
    """Go's mode bits as Linux's."""
    kind = next((ours for theirs, ours in _KINDS if bits & theirs), stat.S_IFREG)
    if bits & _DEVICE:
        kind = stat.S_IFCHR if bits & _CHARACTER else stat.S_IFBLK
    return kind | bits & 0o777 | sum(ours for theirs, ours in _SPECIAL if bits & theirs)


def bits_of(mode: int) -> int:
    """Linux's mode bits as Go's."""
    kind = next((theirs for theirs, ours in _KINDS if stat.S_IFMT(mode) == ours), 0)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        kind = _DEVICE | (_CHARACTER if stat.S_ISCHR(mode) else 0)
    return kind | mode & 0o777 | sum(theirs for theirs, ours in _SPECIAL if mode & ours)


@dataclass(slots=True)
class Receiver:
    """The receiving end of one directory."""

    sink: Sink
    done: bool = False
    files: int = 0
    size: int = 0
    _kinds: dict[str, int] = field(default_factory=dict)
    _wanted: deque[tuple[int, str]] = field(default_factory=deque)
    _asked: dict[int, str] = field(default_factory=dict)
    _all_told: bool = False
    _finished: bool = False

    def take(self, packet: Packet) -> list[Packet]:
        """What to answer. Raises ``BadFiles``, and whatever the sink raises."""
        if packet.type == STAT:
            if packet.stat is None:
                self._told_all()
            else:
                self._told(packet.stat)
        elif packet.type == DATA:
            self._data(packet.id, packet.data)
        elif packet.type == ERROR:
            raise BadFiles(f"error from sender: {packet.data.decode('utf-8', 'replace')}")
        elif packet.type == FINISH:
            if not self._finished:
                raise BadFiles("the sender ended before everything was sent")
            self.done = True
        else:
            raise BadFiles(f"unexpected packet of type {packet.type}")
        return self._answer()

    def _told(self, told: Stat) -> None:
        if self._all_told:
            raise BadFiles(f"a file after the last one: {told.path!r}")
        number, self.files = self.files, self.files + 1
        if self.files > _MOST_FILES:
            raise BadFiles(f"more than {_MOST_FILES} files")
        path, mode = self._checked(told), mode_of(told.mode)
        self._kinds[path] = stat.S_IFMT(mode)
        if self.sink.entry(path, mode, told):
            self._wanted.append((number, path))

    def _checked(self, told: Stat) -> str:
        path = told.path
        parts = path.split("/")
        if len(path) > _LONGEST_PATH or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise BadFiles(f"invalid path {path[:200]!r}")
        if path in self._kinds:
            raise BadFiles(f"the same path twice: {path!r}")
        parent = path.rpartition("/")[0]
        if parent and self._kinds.get(parent) != stat.S_IFDIR:
            raise BadFiles(f"{path!r} is in no directory")
        mode = mode_of(told.mode)
        if stat.S_ISREG(mode) and told.linkname and self._kinds.get(told.linkname) != stat.S_IFREG:
            raise BadFiles(f"{path!r} is a link to {told.linkname[:200]!r}, which is no file")
        return path

    def _told_all(self) -> None:
        if not self._all_told:
            self._all_told = True
            self.sink.complete()

    def _data(self, number: int, data: bytes) -> None:
        path = self._asked.get(number)
        if path is None:
            raise BadFiles(f"content that was not asked for: file {number}")
        if data:
            self.size += len(data)
            self.sink.data(path, data)
        else:
            del self._asked[number]
            self.sink.end(path)

    def _answer(self) -> list[Packet]:
        answer = []
        while self._wanted and len(self._asked) < _MOST_ASKED:
            number, path = self._wanted.popleft()
            self._asked[number] = path
            answer.append(Packet(REQUEST, id=number))
        if self._all_told and not (self._asked or self._wanted or self._finished):
            self._finished = True
            answer.append(Packet(FINISH))
        return answer
