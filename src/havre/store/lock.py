"""The locks on data roots: one daemon, or one registry, at a time may own each."""

import fcntl
import os
from pathlib import Path

from havre.errors import Conflict


def acquire(path: Path, what: str, program: str = "havred") -> int:
    """Take the lock at ``path`` and return its file descriptor; the kernel drops it when the process ends.

    Raises ``Conflict`` naming the owner, and the directory as ``what``, when another daemon holds it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise Conflict(f"{what} {path.parent} is in use by another {program} (process {owner})") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
