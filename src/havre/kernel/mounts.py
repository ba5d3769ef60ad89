"""mount(2), umount2(2), mount_setattr(2), open_tree(2) and the table of mounts, for all that mounts a file system.

Calls block; most take well under a millisecond, but unmounting an overlay flushes the file system below it.
Errors are ``OSError`` with the kernel's errno and the target's path.
"""

from __future__ import annotations

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MNT_FORCE = 1
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

_PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
}

_SYNC_FILE_RANGE_WRITE = 2
# The same numbers on every architecture.
_SYS_OPEN_TREE = 428
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1

ATTR_RDONLY = 1
ATTR_NOSUID = 2
ATTR_NODEV = 4


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class MountInfo:
    """One line of /proc/self/mountinfo, unescaped.

    ``options`` are the mount's own, ``super_options`` the file system's; ``device`` is major:minor, ``root`` the
    directory of the file system that is mounted, ``propagation`` optional fields such as ``shared:1``.
    """

    __slots__ = ("device", "fstype", "options", "propagation", "root", "source", "super_options", "target")

    def __init__(self, line: str) -> None:
        # Optional fields lie between the sixth field and a lone dash.
        left, _, right = line.partition(" - ")
        first = left.split(" ")
        fstype, source, super_options = right.split(" ", 2)
        self.device = first[2]
        self.root = _unescape(first[3])
        self.target = _unescape(first[4])
        self.options = first[5]
        self.propagation = tuple(first[6:])
        self.fstype = fstype
        self.source = _unescape(source)
        self.super_options = _unescape(super_options)


def mount(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    fstype: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """mount(2). ``data`` is the file system's option string, less than a page (4096 bytes) long."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        fstype.encode() if fstype else None,
        ctypes.c_ulong(flags),
        os.fsencode(data) if data else None,
    )
    if result:
        raise _error(target)


def bind(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    readonly: bool = False,
    recursive: bool = True,
    propagation: str | None = None,
) -> None:
    """Show ``source`` also at ``target``. ``readonly`` covers the mounts below it as well when ``recursive``.

    ``propagation`` is one of [r]private, [r]shared, [r]slave. A half-made mount is taken away again on failure.
    """
    mount(source, target, None, MS_BIND | (MS_REC if recursive else 0))
    try:
        if readonly:
            set_readonly(target, recursive=recursive)
        if propagation:
            mount("none", target, None, _PROPAGATION[propagation])
    except BaseException:
        unmount(target, detach=True)
        raise


def set_readonly(target: str | os.PathLike[str], recursive: bool = False) -> None:
    """Make the mount at ``target`` read-only, with the mounts below it when ``recursive`` (Linux 5.12 and later)."""
    if _set_attributes(_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE if recursive else 0, ATTR_RDONLY):
        raise _error(target)


def recursive_readonly() -> bool:
    """Whether this kernel has mount_setattr(2), which makes mounts below a mount read-only too."""
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR), ctypes.c_int(-1), None, ctypes.c_uint(0), None, ctypes.c_size_t(0)
    )
    if result:
        return ctypes.get_errno() != errno.ENOSYS
    return True


def clone(target: str | os.PathLike[str], attributes: int = 0) -> int:
    """A descriptor (O_PATH) of the root of a mount like the one at ``target``, without those below it.

    It is nowhere attached and goes when the descriptor is closed. ``attributes`` is a sum of ATTR_* flags. Linux 5.12.
    """
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    fd = int(
        _libc.syscall(
            ctypes.c_long(_SYS_OPEN_TREE), ctypes.c_int(_AT_FDCWD), ctypes.c_char_p(os.fsencode(target)), flags
        )
    )
    if fd < 0:
        raise _error(target)
    if attributes and _set_attributes(fd, b"", _AT_EMPTY_PATH, attributes):
        error = _error(target)
        os.close(fd)
        raise error
    return fd


def _set_attributes(directory: int, path: bytes, flags: int, attributes: int) -> int:
    given = _MountAttr(attr_set=attributes)
    return int(
        _libc.syscall(
            ctypes.c_long(_SYS_MOUNT_SETATTR),
            ctypes.c_int(directory),
            ctypes.c_char_p(path),
            ctypes.c_uint(flags),
            ctypes.byref(given),
            ctypes.c_size_t(ctypes.sizeof(given)),
        )
    )


def unmount(path: str | os.PathLike[str], detach: bool = False) -> None:
    """umount2(2), never following a link at the end of ``path``;

    ``detach`` takes it away at once and cleans up later.
    """
    if _libc.umount2(os.fsencode(path), UMOUNT_NOFOLLOW | (MNT_DETACH if detach else 0)):
        raise _error(path)


def unmount_all(path: str | os.PathLike[str]) -> None:
    """Take away whatever is mounted at ``path``, however often; nothing happens when there is nothing."""
    while is_mounted(path):
        unmount(path, detach=True)


def mountinfo() -> list[MountInfo]:
    """Every mount of this process's mount namespace, oldest first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        return [MountInfo(line.rstrip("\n")) for line in table]


def holding(path: str) -> MountInfo:
    """The mount that ``path`` (without links) is on."""
    best: MountInfo | None = None
    for entry in mountinfo():
        inside = entry.target == "/" or path == entry.target or path.startswith(f"{entry.target}/")
        if inside and (best is None or len(entry.target) >= len(best.target)):
            best = entry
    if best is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return best


def is_mounted(path: str | os.PathLike[str]) -> bool:
    """Whether something is mounted exactly at ``path``."""
    wanted = os.path.realpath(path)
    return any(entry.target == wanted for entry in mountinfo())


def syncfs(path: str | os.PathLike[str]) -> None:
    """Write out the whole file system that ``path`` is on, and wait for it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd):
            raise _error(path)
    finally:
        os.close(fd)


def start_writing_out(fd: int) -> None:
    """Start writing the file's changed pages to disk without waiting, so that a later sync has less to wait for."""
    # Where the file system cannot (EINVAL), the sync does it all.
    _libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _error(path: str | os.PathLike[str]) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), os.fspath(path))
