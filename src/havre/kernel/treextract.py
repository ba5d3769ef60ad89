"""A tar archive into a live file tree: ``docker cp`` into a container, whose processes may change the tree meanwhile.

The archive's names count from the target directory. The directory of each entry is opened there, links followed inside
the target as Docker does; the entry itself is made in that by its last name, which is never followed, and dressed by
its descriptor. So nothing that stands in the tree, comes to stand there, or is in the archive leads out of it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from havre.errors import InvalidParameter
from havre.kernel.compression import CompressionError, decompressed
from havre.kernel.openat2 import RESOLVE_NO_XDEV, open_in_root, openat2
from havre.kernel.treerules import FOREIGN_ATTRIBUTES, LARGEST_ID, LISTING, NAME, NEW, PLACE, bounded, is_tolerated
from havre.lib.tarheaders import (
    BLOCK,
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    Headers,
    TarError,
    clean_name,
    padding,
)

_IMPLIED_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Rules:
    """``owner`` (uid, gid) owns everything instead of whom the archive names. ``keep_kinds``: nothing else replaces a
    directory, nor a directory anything else. ``shown`` is the target's path in error messages. ``volume``: the archive
    is of a whole volume, whose own entry dresses the target, and ``devices`` whether it may have any.
    """

    owner: tuple[int, int] | None
    keep_kinds: bool
    shown: str
    volume: bool = False
    devices: bool = True


def extract(source: Iterator[bytes], target: int, rules: Rules) -> None:
    """Unpack the archive ``source`` (compressed or not) into the directory ``target`` (a descriptor).

    Raises ``InvalidParameter`` for a damaged archive and one against the rules, ``OSError`` (with the entry's name) for
    what the file system refuses. What was unpacked until then stays.
    """
    tree = _Tree(target, rules)
    try:
        _take_apart(_Input(decompressed(source)), tree)
    except (TarError, CompressionError) as error:
        raise InvalidParameter(str(error)) from None
    finally:
        tree.close()


def _take_apart(data: "_Input", tree: "_Tree") -> None:
    headers = Headers()
    while not headers.ended and (block := data.block()):
        entry = headers.block(block)
        if entry is not None:
            tree.add(entry, data)
        elif headers.wants:
            wanted = headers.wants
            headers.extra(b"".join(data.pieces(wanted)))
            data.skip(padding(wanted))
    tree.finish()
    data.drain()


class _Input:
    """Exact reads from pieces of any size."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._piece = b""
        self._at = 0

    def block(self) -> bytes:
        """The next header block; b"" at the end."""
        end = self._at + BLOCK
        if end <= len(self._piece):
            block = self._piece[self._at : end]
            self._at = end
            return block
        if self._at == len(self._piece) and not self._next():
            return b""
        return b"".join(self.pieces(BLOCK))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes in parts as they come, not copied."""
        while count:
            if self._at == len(self._piece) and not self._next():
                raise TarError("unexpected EOF")
            piece = memoryview(self._piece)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        for _ in self.pieces(count):
            pass

    def skip_padding(self, count: int) -> None:
        """Pass over what fills a file's last block. The archive may end there: docker's CLI writes such ones."""
        while count and (self._at < len(self._piece) or self._next()):
            passed = min(count, len(self._piece) - self._at)
            self._at += passed
            count -= passed

    def drain(self) -> None:
        """Read to the end: what follows the archive is of no interest, but its sender wants to be rid of it."""
        while self._next():
            pass

    def _next(self) -> bool:
        self._piece, self._at = next(self._source, b""), 0
        return bool(self._piece)


class _Tree:
    """The target being written. ``_here`` is a descriptor of the directory of the entry at hand."""

    def __init__(self, target: int, rules: Rules) -> None:
        self._target = target
        self._rules = rules
        self._times: dict[bytes, int] = {}
        self._parent: bytes | None = None
        self._here = os.open(".", PLACE, dir_fd=target)
        self._makers: dict[bytes, Callable[[bytes, Entry], None]] = {
            HARD_LINK: self._hard_link,
            SYMLINK: self._symlink,
            CHAR_DEVICE: self._node,
            BLOCK_DEVICE: self._node,
            FIFO: self._node,
        }

    def close(self) -> None:
        os.close(self._here)

    def add(self, entry: Entry, data: _Input) -> None:
        """Make what ``entry`` says, taking its content from ``data``."""
        path = _local(entry.name, "entry name")
        if not path and not self._rules.volume:  # the target itself
            data.skip(entry.size + padding(entry.size))
            return
        if not self._rules.devices and entry.type in (CHAR_DEVICE, BLOCK_DEVICE):
            raise InvalidParameter(f"{_shown(path)} is a device, which was not asked for")
        if not (0 <= entry.uid <= LARGEST_ID and 0 <= entry.gid <= LARGEST_ID):
            raise TarError(f"{_shown(path)} has an owner no system knows")
        if self._rules.owner is not None:
            entry.uid, entry.gid = self._rules.owner
        if not path:
            data.skip(entry.size + padding(entry.size))
            if entry.type == DIRECTORY:
                self._dress(self._target, entry)
            return
        parent, _, name = path.rpartition(b"/")
        try:
            self._enter(parent)
            if entry.type == REGULAR:
                self._file(name, path, entry, data)
            elif entry.type == DIRECTORY:
                self._directory(name, path, entry)
            else:
                self._clear_way(name, path)
                self._makers[entry.type](name, entry)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fsdecode(path)) from None

    def finish(self) -> None:
        """Give the directories their times, which every file made in them has changed."""
        for path, mtime in self._times.items():
            parent, _, name = path.rpartition(b"/")
            try:
                self._enter(parent)
                self._set_time(name, mtime)
            except (FileNotFoundError, NotADirectoryError):  # replaced by a later entry, or by the container
                continue

    # -- the way to an entry ------------------------------------------------------------------------------------------

    def _enter(self, parent: bytes) -> None:
        if parent == self._parent:
            return
        fd = self._open(parent)
        os.close(self._here)
        self._here = fd
        self._parent = parent

    def _open(self, path: bytes) -> int:
        """The directory ``path``; what is missing on the way is made."""
        missing: list[bytes] = []
        while True:
            try:
                fd = open_in_root(self._target, path or b".", PLACE)
                break
            except FileNotFoundError:
                if not path:
                    raise
            path, _, name = path.rpartition(b"/")
            missing.append(name)
        while missing:
            above, name = fd, missing.pop()
            try:
                os.mkdir(name, dir_fd=above)
                fd = os.open(name, LISTING, dir_fd=above)
            except FileExistsError:  # by a link that leads nowhere
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
            finally:
                os.close(above)
            os.chmod(fd, _IMPLIED_MODE)
        return fd

    def _clear_way(self, name: bytes, path: bytes) -> None:
        """Take away what stands where something other than a directory is to be made."""
        try:
            _unlink(name, self._here)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            if self._rules.keep_kinds:
                shown = f'"{_shown(path)}" with non-directory "{self._rules.shown}"'
                raise InvalidParameter(f"cannot overwrite directory {shown}") from None
            _remove_directory(name, self._here)
            self._times.pop(path, None)

    # -- the kinds of entries -----------------------------------------------------------------------------------------

    def _file(self, name: bytes, path: bytes, entry: Entry, data: _Input) -> None:
        try:
            fd = os.open(name, NEW, 0o600, dir_fd=self._here)
        except FileExistsError:
            self._clear_way(name, path)
            fd = os.open(name, NEW, 0o600, dir_fd=self._here)
        try:
            if entry.sparse is None:
                for piece in data.pieces(entry.size):
                    _write(fd, piece)
            else:
                _write_sparse(fd, entry, data)
            self._dress(fd, entry)
            mtime = bounded(entry.mtime)
            os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)
        data.skip_padding(padding(entry.size))

    def _directory(self, name: bytes, path: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=self._here)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=self._here, follow_symlinks=False).st_mode):
                if self._rules.keep_kinds:
                    shown = f'"{_shown(path)}" with directory "{self._rules.shown}"'
                    raise InvalidParameter(f"cannot overwrite non-directory {shown}") from None
                _unlink(name, self._here)
                os.mkdir(name, 0o700, dir_fd=self._here)
        fd = os.open(name, LISTING, dir_fd=self._here)
        try:
            self._dress(fd, entry)
        finally:
            os.close(fd)
        self._times[path] = bounded(entry.mtime)

    def _hard_link(self, name: bytes, entry: Entry) -> None:
        target = _local(entry.link, "hardlink target")
        parent, _, last = target.rpartition(b"/")
        try:
            above = open_in_root(self._target, parent or b".", PLACE)
        except FileNotFoundError:
            raise _no_target(entry) from None
        try:
            os.link(last or b".", name, src_dir_fd=above, dst_dir_fd=self._here, follow_symlinks=False)
        except FileNotFoundError:
            raise _no_target(entry) from None
        finally:
            os.close(above)

    def _symlink(self, name: bytes, entry: Entry) -> None:
        os.symlink(entry.link, name, dir_fd=self._here)
        os.chown(name, entry.uid, entry.gid, dir_fd=self._here, follow_symlinks=False)
        self._set_time(name, bounded(entry.mtime))

    def _node(self, name: bytes, entry: Entry) -> None:
        kind = {CHAR_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}[entry.type]
        try:
            device = os.makedev(entry.major, entry.minor)
        except OverflowError:
            raise TarError(f"{_shown(entry.name)} has a device number no system knows") from None
        os.mknod(name, kind | 0o600, device, dir_fd=self._here)
        # Not opened, which would act on the device, but named; and by now the name may mean something else.
        fd = os.open(name, NAME, dir_fd=self._here)
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) != kind:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self._dress(f"/proc/self/fd/{fd}", entry)
        finally:
            os.close(fd)
        self._set_time(name, bounded(entry.mtime))

    def _set_time(self, name: bytes, mtime: int) -> None:
        os.utime(name, ns=(mtime, mtime), dir_fd=self._here, follow_symlinks=False)

    def _dress(self, place: int | str, entry: Entry) -> None:
        """Owner, mode, attributes, in an order in which they do not undo each other. ``place`` is a descriptor, or the
        path in procfs of one.
        """
        os.chown(place, entry.uid, entry.gid)
        os.chmod(place, entry.mode & 0o7777)
        for name, value in (entry.xattrs or {}).items():
            if name.startswith(FOREIGN_ATTRIBUTES):
                continue
            try:
                os.setxattr(place, name, value)
            except OSError as error:
                if not is_tolerated(error):  # what this file system does not have, as Docker
                    raise


def _unlink(name: bytes | str, parent: int) -> None:
    _refuse_mount(name, parent)
    os.unlink(name, dir_fd=parent)


def _remove_directory(name: bytes | str, parent: int) -> None:
    """Remove a directory and all in it. Another process may fill it meanwhile, which is an error."""
    _refuse_mount(name, parent)
    fd = os.open(name, LISTING, dir_fd=parent)
    try:
        for child in os.listdir(fd):
            try:
                _unlink(child, fd)
            except IsADirectoryError:
                _remove_directory(child, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)


def _refuse_mount(name: bytes | str, parent: int) -> None:
    """The kernel protects mount points of the caller's own mount namespace only; any other, removing it unmounts."""
    try:
        os.close(openat2(parent, name, os.O_PATH | os.O_NOFOLLOW, 0, RESOLVE_NO_XDEV))
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None
        raise


def _local(name: bytes, what: str) -> bytes:
    """``name`` as a clean path below the target; b"" is the target itself."""
    try:
        return clean_name(name)
    except TarError:
        raise TarError(f'invalid {what} "{_shown(name)}"') from None


def _no_target(entry: Entry) -> TarError:
    return TarError(f'invalid hardlink target "{_shown(entry.link)}": no such file')


def _write_sparse(fd: int, entry: Entry, data: _Input) -> None:
    # Holes take nothing here, but in whatever is made of the file.
    room = os.fstatvfs(fd)
    if entry.real_size > room.f_bavail * room.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(fd, entry.real_size)
    for offset, length in entry.sparse or ():
        os.lseek(fd, offset, os.SEEK_SET)
        for piece in data.pieces(length):
            _write(fd, piece)


def _write(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _shown(name: bytes) -> str:
    return name.decode(errors="replace")
