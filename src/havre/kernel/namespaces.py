"""Network namespaces: made, entered and removed. The network room comes in.

A namespace is kept alive by a bind mount at a path, so it outlives the daemon. Code runs inside one in a thread of its
own, which ends there: no thread that served in a container's namespace ever does work of the host again. What such
code opens (a netlink socket) stays in that namespace and may be used from any thread afterwards.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from havre.kernel import mounts

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def create(path: Path, inside: Callable[[], T]) -> T:
    """Make a network namespace, mount it at ``path`` (which must not exist) and return what ``inside`` gave there.

    Blocks. On any error nothing is left behind. Raises ``OSError``.
    """

    def work() -> T:
        _check(_libc.unshare(_CLONE_NEWNET), "make a network namespace")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o444))
        try:
            mounts.bind("/proc/thread-self/ns/net", path, recursive=False)
            return inside()
        except BaseException:
            remove(path)
            raise

    return _in_thread(work)


def enter(path: Path, inside: Callable[[], T]) -> T:
    """Return what ``inside`` gives in the network namespace mounted at ``path``. Blocks. Raises ``OSError``."""

    def work() -> T:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(fd, _CLONE_NEWNET), f"enter the network namespace {path}")
        finally:
            os.close(fd)
        return inside()

    return _in_thread(work)


def remove(path: Path) -> None:
    """Give up the namespace mounted at ``path``; the kernel destroys it a little later, after its last process.

    A path that is gone, or was never mounted, counts as removed.
    """
    try:
        # More than one mount can lie here only after a crash between two starts; each call takes one away.
        while True:
            mounts.unmount(path, detach=True)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
    path.unlink(missing_ok=True)


def write_sysctl(name: str, value: str) -> None:
    """Set ``name``, written with slashes ("net/ipv4/…"), in this thread's network namespace."""
    with open(f"/proc/sys/{name}", "w") as file:
        file.write(value)


def read_sysctl(name: str) -> str:
    """The value of ``name``, written with slashes, in this thread's network namespace, without the newline."""
    with open(f"/proc/sys/{name}") as file:
        return file.read().strip()


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot {what}: {os.strerror(code)}")


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="havre-netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
