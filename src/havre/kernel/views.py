"""Views: the file tree of a container held open by descriptors, with its volumes, whether it runs or not.

Nothing of a view is visible to others: no mount point on the host, no process. It goes when it is closed, or with the
daemon however that ends. Copying to and from containers comes in here. The calls that make a view block for some
milliseconds; they work in a thread of their own, which ends there, because it changes its root and its mounts.
"""

import ctypes
import gc
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from havre.errors import NotFound
from havre.kernel import mounts, pidfd
from havre.kernel.openat2 import open_in_root
from havre.kernel.treerules import NAME, PLACE

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)
_collector = threading.Lock()
_CLONE_FS = 0x200
_CLONE_NEWNS = 0x20000
_MOST_LINKS = 255  # as Docker

# File systems that show the kernel's state: their files have side effects, no true size, and belong to no container.
_PSEUDO = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *("efivarfs", "fusectl", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs"),
        *("sysfs", "tracefs"),
    )
)


@dataclass(frozen=True, slots=True)
class Bind:
    """What a view shows at ``target``: the file or directory ``source``; an empty read-only tmpfs when that is None."""

    source: Path | None
    target: str
    readonly: bool = False
    recursive: bool = True


class TooManyLinksError(Exception):
    """A path leads through more links than are followed."""


@dataclass(frozen=True, slots=True)
class View:
    """``root`` is a descriptor of the container's root directory, to be used with ``openat2.open_in_root`` only.

    ``hidden`` are the mounts (by id) that are no part of the container's files: pseudo file systems.
    """

    root: int
    hidden: frozenset[int]
    _namespace: int | None = None

    def open(self, path: str | bytes, flags: int) -> int:
        """Open ``path`` as the container sees it, links followed inside, magic links of procfs never."""
        return open_in_root(self.root, path, flags)

    def close(self) -> None:
        """Give it up. Descriptors opened through it stay usable, but mounts below theirs are gone."""
        os.close(self.root)
        if self._namespace is not None:
            os.close(self._namespace)

    def resolve(self, path: bytes) -> bytes:
        """``path`` without any link in it, absolute. What does not exist is taken as it is written.

        Raises ``TooManyLinksError``, or ``OSError`` for a path through something that is no directory.
        """
        ahead = path.split(b"/")[::-1]
        here: list[bytes] = []
        links = 0
        while ahead:
            part = ahead.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                here = here[:-1]
                continue
            target = self._link(b"/".join([*here, part]))
            if target is None:
                here.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise TooManyLinksError
            if target.startswith(b"/"):
                here = []
            ahead.extend(reversed(target.split(b"/")))
        return b"/" + b"/".join(here)

    def _link(self, path: bytes) -> bytes | None:
        """The target of the link at ``path``; None when it is something else or missing."""
        try:
            fd = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            return os.readlink(b"", dir_fd=fd)
        except OSError:
            return None
        finally:
            os.close(fd)


def of_process(pid: int, started: int, shown: Collection[str]) -> View | None:
    """What the process ``pid``, which started at ``started``, has as its mount namespace; ``NotFound`` if it has ended.

    None when that is the host's own. Mounts at ``shown`` are never taken for pseudo file systems.
    """
    try:
        namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"process {pid} has ended") from None
    try:
        # Looked at after the opening: had the number been reused before it, the start would differ.
        if pidfd.start_time(pid) != started:
            raise NotFound(f"process {pid} has ended")
        if os.path.samestat(os.fstat(namespace), os.stat("/proc/self/ns/mnt")):
            return None
        root, table = _in_thread(lambda: _enter(namespace))
        return View(root, _hidden(table, shown), namespace)
    except BaseException:
        os.close(namespace)
        raise


def _enter(namespace: int) -> tuple[int, str]:
    """A descriptor of the namespace's root, not the process's, which may have changed that; and the table of mounts."""
    proc = os.open("/proc", PLACE)
    try:
        _check(_libc.unshare(_CLONE_FS))
        _check(_libc.setns(namespace, _CLONE_NEWNS))
        with open(os.open("thread-self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc), "rb") as file:
            table = file.read().decode(errors="surrogateescape")
        return os.open("/", PLACE), table
    finally:
        os.close(proc)


def of_tree(tree: Path, binds: Sequence[Bind], readonly: bool) -> View:
    """The mount at ``tree`` with ``binds`` in it, parents before children. Missing mount points are made.

    ``readonly`` is about the tree itself. Afterwards the mount at ``tree`` may go. Raises ``OSError``.
    """
    root, namespace = _in_thread(lambda: _build(tree, binds, readonly))
    return View(root, frozenset(), namespace)


def of_mount(tree: Path) -> View:
    """The mount at ``tree`` alone, without what is mounted in it; read-only, and devices in it cannot be opened.

    Afterwards the mount at ``tree`` may go. Raises ``OSError``.
    """
    return View(mounts.clone(tree, mounts.ATTR_RDONLY | mounts.ATTR_NOSUID | mounts.ATTR_NODEV), frozenset())


def _build(tree: Path, binds: Sequence[Bind], readonly: bool) -> tuple[int, int]:
    _check(_libc.unshare(_CLONE_NEWNS))
    # Private: neither must these mounts be seen outside, nor may those outside be held on to, or taken away, from here.
    mounts.mount("none", "/", None, mounts.MS_PRIVATE | mounts.MS_REC)
    root = os.open(tree, PLACE)
    try:
        for bind in binds:
            _mount(root, bind)
    finally:
        os.close(root)
    if readonly:
        mounts.set_readonly(tree)
    namespace = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(tree)
        _check(_libc.pivot_root(b".", b"."))
        mounts.unmount(".", detach=True)
        return os.open("/", PLACE), namespace
    except BaseException:
        os.close(namespace)
        raise


def _mount(root: int, bind: Bind) -> None:
    with _opened(_mount_point(root, bind)) as place:
        if bind.source is None:
            mounts.mount("tmpfs", place, "tmpfs", mounts.MS_RDONLY | mounts.MS_NODEV, "size=4k")
            return
        mounts.mount(bind.source, place, None, mounts.MS_BIND | (mounts.MS_REC if bind.recursive else 0))
    if bind.readonly:
        # Opened again, since the descriptor means what lies below the new mount.
        with _opened(open_in_root(root, bind.target, os.O_PATH)) as place:
            mounts.set_readonly(place, recursive=bind.recursive)


def _mount_point(root: int, bind: Bind) -> int:
    try:
        return open_in_root(root, bind.target, os.O_PATH)
    except FileNotFoundError:
        pass
    path = PurePosixPath(bind.target)
    if bind.source is None or bind.source.is_dir():
        return _directory(root, path)
    parent = _directory(root, path.parent)
    try:
        os.close(os.open(path.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
        return os.open(path.name, NAME, dir_fd=parent)
    finally:
        os.close(parent)


def _directory(root: int, path: PurePosixPath) -> int:
    try:
        return open_in_root(root, str(path), PLACE)
    except FileNotFoundError:
        parent = _directory(root, path.parent)
    try:
        os.mkdir(path.name, 0o755, dir_fd=parent)
        return os.open(path.name, PLACE | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


class _opened:
    """A descriptor as a path, closed at the end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> str:
        return f"/proc/thread-self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def mount_id(fd: int) -> int:
    """The mount that an open file or directory lies on."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(b"mnt_id:"))


def _hidden(table: str, shown: Collection[str]) -> frozenset[int]:
    return frozenset(number for number, target, fstype in _rows(table) if _is_hidden(target, fstype, shown))


def _is_hidden(target: str, fstype: str, shown: Collection[str]) -> bool:
    # The runtime's own /dev is a plain tmpfs, but it holds devices only.
    return (fstype in _PSEUDO or target == "/dev") and target not in shown


def _rows(table: str) -> Iterator[tuple[int, str, str]]:
    for line in table.splitlines():
        fields, _, rest = line.partition(" - ")
        number, _, _, _, target, *_ = fields.split(" ")
        yield int(number), target, rest.partition(" ")[0]


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own.

    No garbage is collected meanwhile: that would be done in any thread, and finalizers of others' objects, run where
    ``/`` is a container's, would open, remove, or import what lies there.
    """
    with _collector:
        collecting = gc.isenabled()
        gc.disable()
        try:
            with ThreadPoolExecutor(1, "havre-view") as own:
                return own.submit(work).result()
        finally:
            if collecting:
                gc.enable()
