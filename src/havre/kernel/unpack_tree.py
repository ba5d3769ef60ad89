"""The unpacking child's output: the entries of a layer become files below the current directory, in overlayfs' format.

The current directory must be the process' root: then no link leads anywhere else. Paths are bytes, relative to it.
Docker's rules decide where an archive is ambiguous; where Docker breaks images (a parent directory an archive leaves
out) those of containerd do. Runs in the child only.
"""

from __future__ import annotations

import errno
import os
import stat

from havre.kernel.mounts import start_writing_out
from havre.kernel.overlayfs import WHITEOUT, is_whiteout
from havre.kernel.treerules import LARGEST_ID, NEW, OPAQUE_NAME, WHITEOUT_PREFIX, bounded
from havre.kernel.unpack_below import copy, find
from havre.kernel.unpack_xattrs import set_xattrs
from havre.lib.tarheaders import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    TarError,
    clean_name,
    padding,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all the rest the unpacking child needs
    from collections.abc import Callable
    from typing import TypeVar

    from havre.kernel.unpack_stream import Stream

    T = TypeVar("T")

_WHITEOUT_META = b".wh..wh."
_SMALL = 1 << 20
_MOST_LINKS = 40  # as the kernel


class Tree:
    """A layer being written. ``below`` is a descriptor of what lies under it, merged and read-only; None for nothing.

    ``opaque`` collects the directories that must hide what is below them: marking them takes a privilege the child does
    not have. ``size`` counts bytes of content, ``inodes`` what was made.
    """

    def __init__(self, stream: Stream, below: int | None, size_limit: int) -> None:
        self._stream = stream
        self._below = below
        self._size_limit = size_limit
        self._directories: dict[bytes, int] = {}
        self.opaque: set[bytes] = set()
        self.size = 0
        self.inodes = 0
        # In a directory with the setgid bit or a default ACL new files do not get the mode and group asked for.
        self._inherits = bool(os.stat(".").st_mode & stat.S_ISGID)
        self._makers: dict[bytes, Callable[[bytes, Entry], None]] = {
            HARD_LINK: self._hard_link,
            SYMLINK: self._symlink,
            CHAR_DEVICE: self._device,
            BLOCK_DEVICE: self._device,
            FIFO: self._fifo,
        }

    def add(self, entry: Entry) -> None:
        """Make what ``entry`` says, taking its content from the stream. Raises ``TarError`` or ``OSError``."""
        name = clean_name(entry.name)
        base = name.rpartition(b"/")[2]
        if base.startswith(WHITEOUT_PREFIX) or name.startswith(_WHITEOUT_META):
            self._whiteout(name, base)
            self._stream.skip(entry.size + padding(entry.size))
            return
        if entry.uid > LARGEST_ID or entry.gid > LARGEST_ID or entry.uid < 0 or entry.gid < 0:
            raise TarError(f"{_shown(name)} has an owner no system knows")
        if entry.type == REGULAR:
            self._file(name, entry)
        elif entry.type == DIRECTORY:
            self._directory(name, entry)
        else:
            self._make(name, lambda path: self._makers[entry.type](path, entry))

    def finish(self) -> None:
        """Give the directories their times, which every file made in them has changed."""
        for path, mtime in self._directories.items():
            try:
                os.utime(path, ns=(mtime, mtime), follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # replaced by a later entry
                    raise

    # -- the kinds of entries -----------------------------------------------------------------------------------------

    def _file(self, name: bytes, entry: Entry) -> None:
        self.size += entry.real_size
        if self.size > self._size_limit:
            raise TarError(f"layer is larger than {self._size_limit} bytes")
        mode = entry.mode & 0o7777
        try:
            fd = os.open(name, NEW, mode)
        except OSError:
            fd = self._make(name, lambda path: os.open(path, NEW, mode))
        try:
            size = entry.size
            if entry.sparse is not None:
                self._sparse(fd, entry)
            elif size > _SMALL:
                for piece in self._stream.pieces(size):
                    _write(fd, piece)
                    start_writing_out(fd)
            elif size:
                data = self._stream.read(size)
                if os.write(fd, data) != size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if entry.uid or entry.gid or self._inherits:
                os.fchown(fd, entry.uid, entry.gid)
            if mode & 0o6000 or self._inherits:
                os.fchmod(fd, mode)
            if entry.xattrs:
                self._set_xattrs(fd, entry.xattrs)
            mtime = bounded(entry.mtime)
            os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)
        self.inodes += 1
        self._stream.skip(padding(entry.size))

    def _sparse(self, fd: int, entry: Entry) -> None:
        os.ftruncate(fd, entry.real_size)
        for offset, length in entry.sparse or ():
            os.lseek(fd, offset, os.SEEK_SET)
            for piece in self._stream.pieces(length):
                _write(fd, piece)

    def _directory(self, name: bytes, entry: Entry) -> None:
        path = self._make(name, self._new_directory) if name else b"."
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        os.chmod(path, entry.mode & 0o7777)
        if entry.mode & stat.S_ISGID:
            self._inherits = True
        if entry.xattrs:
            self._set_xattrs(path, entry.xattrs)
        self._directories[path] = bounded(entry.mtime)

    def _new_directory(self, path: bytes) -> bytes:
        try:
            os.mkdir(path)
        except FileExistsError:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                return path
            os.unlink(path)
            os.mkdir(path)
            if is_whiteout(status):
                self.opaque.add(path)
        self.inodes += 1
        return path

    def _hard_link(self, path: bytes, entry: Entry) -> None:
        target = clean_name(entry.link)
        if target == path:
            return
        try:
            os.lstat(target)
        except (FileNotFoundError, NotADirectoryError):
            self._copy_up(target)
        try:
            os.link(target, path, follow_symlinks=False)
        except PermissionError:
            raise TarError(f"{_shown(path)} is a hard link to {_shown(target)}, which is no file") from None

    def _symlink(self, path: bytes, entry: Entry) -> None:
        os.symlink(entry.link, path)
        self.size += len(entry.link)
        self._dress(path, entry, None)

    def _device(self, path: bytes, entry: Entry) -> None:
        kind = stat.S_IFCHR if entry.type == CHAR_DEVICE else stat.S_IFBLK
        try:
            device = os.makedev(entry.major, entry.minor)
        except OverflowError:
            raise TarError(f"{_shown(path)} has a device number no system knows") from None
        os.mknod(path, kind | 0o600, device)
        self._dress(path, entry, entry.mode)

    def _fifo(self, path: bytes, entry: Entry) -> None:
        os.mkfifo(path, 0o600)
        self._dress(path, entry, entry.mode)

    def _dress(self, path: bytes, entry: Entry, mode: int | None) -> None:
        """Owner, mode (not for links), attributes and time of what was just made at ``path``."""
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        if mode is not None:
            os.chmod(path, mode & 0o7777)
        if entry.xattrs:
            self._set_xattrs(path, entry.xattrs)
        mtime = bounded(entry.mtime)
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)
        self.inodes += 1

    def _whiteout(self, name: bytes, base: bytes) -> None:
        """``.wh.x`` deletes ``x`` of the layers below, ``.wh..wh..opq`` all its directory has there.

        Neither touches what this layer itself brings (OCI image-spec, "Whiteouts"). Other names of the kind are aufs'
        own and mean nothing here.
        """
        if base != OPAQUE_NAME and (base.startswith(_WHITEOUT_META) or name.startswith(_WHITEOUT_META)):
            return
        victim = base[len(WHITEOUT_PREFIX) :]
        if victim in (b"", b".", b".."):
            raise TarError(f"{_shown(name)} deletes nothing that could be")
        if self._below is None:
            return
        if base == OPAQUE_NAME:
            self.opaque.add(self._parents(name).rpartition(b"/")[0] or b".")
            return
        path = self._parents(name[: -len(base)] + victim)
        try:
            os.mknod(path, stat.S_IFCHR, WHITEOUT)
            self.inodes += 1
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                self.opaque.add(path)

    # -- making room --------------------------------------------------------------------------------------------------

    def _make(self, name: bytes, maker: Callable[[bytes], T]) -> T:
        """Call ``maker`` with the place for ``name``, after clearing it and making the way there if need be."""
        if not name:
            raise TarError("layer replaces its root by something that is no directory")
        try:
            return maker(name)
        except (FileNotFoundError, NotADirectoryError):
            name = self._parents(name)
        except FileExistsError:
            self._clear(name)
        try:
            return maker(name)
        except FileExistsError:
            self._clear(name)
            return maker(name)

    def _clear(self, path: bytes) -> None:
        """A later entry replaces an earlier one of the same name."""
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        found = [path]  # every directory before those in it
        for directory in found:
            for name in os.listdir(directory):
                inner = directory + b"/" + name
                if stat.S_ISDIR(os.lstat(inner).st_mode):
                    found.append(inner)
                else:
                    os.unlink(inner)
        for directory in reversed(found):
            os.rmdir(directory)
            self._directories.pop(directory, None)
            self.opaque.discard(directory)

    def _parents(self, name: bytes) -> bytes:
        """Where ``name`` really lies, links followed, after making the directories the archive left out on the way.

        Such a directory, or link, is taken over from the layers below, as if the archive were unpacked over them.
        """
        *ahead, base = name.split(b"/")
        ahead.reverse()
        here = b""
        links = 0
        while ahead:
            part = ahead.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                here = here.rpartition(b"/")[0]
                continue
            path = here + b"/" + part if here else part
            target = self._step(path)
            if target is None:
                here = path
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith(b"/"):
                here = b""
            ahead.extend(reversed(target.split(b"/")))
        return here + b"/" + base if here else base

    def _step(self, path: bytes) -> bytes | None:
        """Make sure of the directory ``path`` and return None; or return the target when it is a link."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return self._implied(path)
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(path)
        if not is_whiteout(status):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        self._new_directory(path)
        os.chmod(path, 0o755)
        return None

    def _implied(self, path: bytes) -> bytes | None:
        found = self._find_below(path)
        if found is None:
            self._new_directory(path)
            os.chmod(path, 0o755)
            return None
        try:
            status = os.stat(found)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(b"", dir_fd=found)
            self._new_directory(path)
            if stat.S_ISDIR(status.st_mode):
                os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
                os.chmod(path, stat.S_IMODE(status.st_mode))
                self._inherits = self._inherits or bool(status.st_mode & stat.S_ISGID)
                self._directories[path] = status.st_mtime_ns
            else:
                os.chmod(path, 0o755)
        finally:
            os.close(found)
        return None

    # -- what lies below ----------------------------------------------------------------------------------------------

    def _find_below(self, path: bytes) -> int | None:
        if self._below is None or any(path == o or o == b"." or path.startswith(o + b"/") for o in self.opaque):
            return None
        return find(self._below, path)

    def _copy_up(self, path: bytes) -> None:
        """Take over a file from below, for a hard link to it."""
        found = self._find_below(path)
        if found is None:
            raise TarError(f"hard link to {_shown(path)}, which is not there")
        try:
            status = os.stat(found)
            if stat.S_ISLNK(status.st_mode):
                self._make(path, lambda place: os.symlink(os.readlink(b"", dir_fd=found), place))
            elif stat.S_ISREG(status.st_mode):
                self._copy_file(path, status)
            else:
                raise TarError(f"hard link to {_shown(path)}, which is no file")
        finally:
            os.close(found)
        self.inodes += 1

    def _copy_file(self, path: bytes, status: os.stat_result) -> None:
        assert self._below is not None
        self.size += status.st_size
        if self.size > self._size_limit:
            raise TarError(f"layer is larger than {self._size_limit} bytes")
        target = self._make(path, lambda place: os.open(place, NEW, 0o600))
        try:
            self._set_xattrs(target, copy(self._below, path, target))
            os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        finally:
            os.close(target)

    def _set_xattrs(self, target: int | bytes, xattrs: dict[str, bytes]) -> None:
        self._inherits = set_xattrs(target, xattrs) or self._inherits


def _write(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _shown(name: bytes) -> str:
    return repr(name.decode(errors="replace"))
