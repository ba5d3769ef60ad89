"""Files put into a root file system: COPY and ADD, and WORKDIR's directory.

The root is mounted and nobody else uses it, but it is foreign all the same: what leads to the target is resolved as
inside a container (links end in the root), and below the target no link is followed at all. Directories that were
there keep their times, so that the same files always make the same layer.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from havre.builder.files.modes import Change
from havre.builder.files.selecting import Found, opened, walk
from havre.errors import InvalidParameter
from havre.kernel.openat2 import open_beneath, open_in_root
from havre.kernel.treerules import LISTING, NAME, NEW, is_tolerated
from havre.kernel.treetar import attributes
from havre.lib.dockerignore import Ignore

_CHUNK = 16 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Dress:
    """How files look when they are there. ``owner`` None: as they were; ``time`` is that of implied directories.

    Times (nanoseconds since 1970) after ``latest`` become that; None: they stay.
    """

    owner: tuple[int, int] | None = None
    mode: Change | None = None
    time: int = 0
    latest: int | None = None


@dataclass(slots=True)
class Placer:
    """Puts files below ``root`` (a descriptor). ``finish`` gives directories that were there their times back."""

    root: int
    dress: Dress
    touched: dict[str, os.stat_result] = field(default_factory=dict)
    newest: int = 0

    def directory(self, path: str) -> str:
        """Make the directory ``path`` and those above it where they are not; its name with all links resolved.

        Raises ``InvalidParameter`` when something else has the name.
        """
        made = ""
        for part in posixpath.normpath("/" + path).strip("/").split("/"):
            if part:
                made = self._step(made, part, 0)
        return made

    def put(self, source: int, path: str, target: str, left_out: Ignore, kept: str | None = None) -> None:
        """Put what ``path`` in the tree ``source`` names to ``target`` (absolute; a slash at its end: into it).

        ``kept`` is the part of ``path`` that it is to have below the target (``--parents``).
        """
        fd = opened(source, path)
        try:
            is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
            if kept is not None:
                target = (
                    posixpath.join(target, kept)
                    if is_directory
                    else posixpath.join(target, posixpath.dirname(kept), "")
                )
            if is_directory:
                self._tree(fd, path, target, left_out)
            else:
                self._single(fd, posixpath.basename(path), target)
        finally:
            os.close(fd)

    def finish(self) -> None:
        """Give the directories that had been there before their times back."""
        for path, status in self.touched.items():
            with self._open(path) as fd:
                os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))

    @contextmanager
    def open(self, path: str) -> Iterator[int]:
        """The directory ``path``, made if it is not there; something is about to be made in it."""
        made = self.directory(path)
        with self._open(made) as fd:
            self._touch(made, fd)
            yield fd

    # -- places -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self, path: str) -> Iterator[int]:
        """The directory ``path``, a name without links, relative to the root."""
        fd = open_beneath(self.root, path or ".", LISTING)
        try:
            yield fd
        finally:
            os.close(fd)

    def _touch(self, path: str, fd: int) -> None:
        """Something is about to be made in the directory, which changes its times."""
        if path not in self.touched:
            self.touched[path] = os.fstat(fd)

    def _step(self, parent: str, name: str, followed: int) -> str:
        """The directory ``name`` in ``parent``, made if it is not there, links resolved inside the root."""
        if name == "..":
            return posixpath.dirname(parent)
        path = posixpath.join(parent, name)
        with self._open(parent) as fd:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                self._touch(parent, fd)
                self._make(fd, name, 0o755)
                return path
            if stat.S_ISDIR(status.st_mode):
                return path
            if not stat.S_ISLNK(status.st_mode) or followed > _DEEPEST_LINKS:
                raise InvalidParameter(f"cannot create a directory at /{path}: something else is there")
            link = os.readlink(name, dir_fd=fd)
        at = "" if link.startswith("/") else parent
        for part in link.split("/"):
            if part not in ("", "."):
                at = self._step(at, part, followed + 1)
        return at

    def _make(self, parent: int, name: str, mode: int) -> None:
        """A directory that nobody named: only something in it."""
        os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, LISTING, dir_fd=parent)
        try:
            os.fchown(fd, *(self.dress.owner or (0, 0)))
            os.fchmod(fd, mode)
            # What comes into it changes the time again; then it is put back with the others.
            os.utime(fd, ns=(self.dress.time, self.dress.time))
        finally:
            os.close(fd)

    # -- files --------------------------------------------------------------------------------------------------------

    def _single(self, fd: int, name: str, target: str) -> None:
        """One file: to the target's name, or into the target where that is a directory."""
        into, last = posixpath.split(target)
        if not last or self._is_directory(target):
            into, last = target, name
        parent = self.directory(into)
        status = os.fstat(fd)
        with self._open(parent) as directory:
            self._touch(parent, directory)
            self._file(f"/proc/self/fd/{fd}", None, status, directory, last)

    def _is_directory(self, path: str) -> bool:
        try:
            fd = open_in_root(self.root, path, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return False
        os.close(fd)
        return True

    def _tree(self, source: int, path: str, target: str, left_out: Ignore) -> None:
        """What is in a directory, merged with what is in the target."""
        known = self._is_directory(target)
        top = self.directory(target)
        own = os.fstat(source)
        listing = os.open(".", LISTING, dir_fd=source)
        try:
            for found in walk(listing, left_out):
                self._entry(found, top)
            if not known and path:
                # The directory that was named lends its looks; those of a whole tree are nobody's wish.
                with self._open(top) as fd:
                    self._dress(fd, own, None)
                    self._remember(top, fd, self._time(own))
        finally:
            os.close(listing)

    def _entry(self, found: Found, top: str) -> None:
        inner, _, name = found.path.rpartition("/")
        # With files left out, the directories above one that is not may have been.
        parent = self.directory(f"{top}/{inner}") if inner and not self._is_directory(f"/{top}/{inner}") else ""
        parent = parent or posixpath.join(top, inner)
        try:
            with self._open(parent) as directory:
                self._touch(parent, directory)
                if found.is_directory:
                    self._directory(found, directory, name, posixpath.join(parent, name))
                else:
                    self._file(found.name, found.directory, found.status, directory, name)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise InvalidParameter(f"cannot copy to non-directory: /{parent}") from None
            raise

    def _directory(self, found: Found, directory: int, name: str, path: str) -> None:
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            os.mkdir(name, 0o700, dir_fd=directory)
        else:
            if not stat.S_ISDIR(status.st_mode):
                raise InvalidParameter(f"cannot copy to non-directory: /{path}")
            return
        fd = os.open(name, LISTING, dir_fd=directory)
        reading = os.open(found.name, LISTING, dir_fd=found.directory)
        try:
            self._dress(fd, found.status, reading)
            self._remember(path, fd, self._time(found.status))
        finally:
            os.close(reading)
            os.close(fd)

    def _remember(self, path: str, fd: int, time: int) -> None:
        """The directory has its time now, and is to have it in the end."""
        os.utime(fd, ns=(time, time))
        self.touched[path] = os.fstat(fd)

    def _file(self, name: str, source: int | None, status: os.stat_result, directory: int, last: str) -> None:
        """Anything but a directory, in the place of what had the name."""
        time = self._time(status)
        self.newest = max(self.newest, time)
        self._clear(directory, last)
        if stat.S_ISREG(status.st_mode):
            reading = os.open(name, _FILE if source is not None else os.O_RDONLY | os.O_CLOEXEC, dir_fd=source)
            writing = os.open(last, NEW, 0o600, dir_fd=directory)
            try:
                _copy(reading, writing, status)
                self._dress(writing, status, reading)
                os.utime(writing, ns=(time, time))
            finally:
                os.close(writing)
                os.close(reading)
            return
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), last, dir_fd=directory)
        elif stat.S_ISSOCK(status.st_mode):
            return
        else:
            os.mknod(last, status.st_mode, status.st_rdev, dir_fd=directory)
            os.chmod(last, self._mode(status), dir_fd=directory)
        os.chown(last, *self._owner(status), dir_fd=directory, follow_symlinks=False)
        os.utime(last, ns=(time, time), dir_fd=directory, follow_symlinks=False)

    def _clear(self, directory: int, name: str) -> None:
        try:
            os.close(os.open(name, NAME, dir_fd=directory))
        except FileNotFoundError:
            return
        try:
            os.unlink(name, dir_fd=directory)
        except IsADirectoryError:
            raise InvalidParameter(f"cannot overwrite the directory {name} with a file") from None

    def _time(self, status: os.stat_result) -> int:
        time = status.st_mtime_ns
        return time if self.dress.latest is None else min(time, self.dress.latest)

    def _owner(self, status: os.stat_result) -> tuple[int, int]:
        return self.dress.owner or (status.st_uid, status.st_gid)

    def _mode(self, status: os.stat_result) -> int:
        return self.dress.mode(status.st_mode) if self.dress.mode is not None else stat.S_IMODE(status.st_mode)

    def _dress(self, fd: int, status: os.stat_result, source: int | None) -> None:
        """Owner, mode and attributes, in an order in which they do not undo each other."""
        os.fchown(fd, *self._owner(status))
        os.fchmod(fd, self._mode(status))
        for name, value in (attributes(source) or {}).items() if source is not None else ():
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                if not is_tolerated(error):
                    raise


def _copy(reading: int, writing: int, status: os.stat_result) -> None:
    """The content, holes as holes."""
    size = status.st_size
    if status.st_blocks * 512 >= size:
        _send(reading, writing, 0, size)
        return
    at = 0
    while at < size:
        try:
            begin = os.lseek(reading, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole is left
                raise
            break
        at = os.lseek(reading, begin, os.SEEK_HOLE)
        os.lseek(writing, begin, os.SEEK_SET)
        _send(reading, writing, begin, at)
    os.ftruncate(writing, size)


def _send(reading: int, writing: int, at: int, end: int) -> None:
    while at < end:
        sent = os.sendfile(writing, reading, at, min(end - at, _CHUNK))
        if not sent:
            return
        at += sent
