"""Where a process starts: never behind a magic link of ``/proc``, which may lead to what the runtime has open outside.

Runtimes of today check that themselves; older ones let such a process out (CVE-2024-21626).
"""

import os
from pathlib import Path

from havre.errors import InvalidParameter

_MAGIC = frozenset(("fd", "cwd", "root", "exe", "map_files", "ns"))
_MOST_LINKS = 40


def absolute(path: str) -> str:
    """``path`` cleaned, and taken from the root if it is relative, as an image's may be; "" stays."""
    return os.path.normpath("/" + path.strip("/")) if path else ""


def check(path: str, rootfs: Path | None = None) -> str:
    """``path`` itself; ``InvalidParameter`` if it, or a link of ``rootfs`` on the way, leads through a magic link."""
    links = 0
    done: list[str] = []
    ahead = [part for part in path.split("/") if part][::-1]
    while ahead:
        part = ahead.pop()
        if part in (".", ".."):
            del done[len(done) - (part == "..") :]
            continue
        done.append(part)
        if done[0] == "proc" and _MAGIC & set(done[2:]):
            raise InvalidParameter(f"the working directory '{path}' is invalid: it leads through a link of /proc")
        target = _link(rootfs, done)
        if target is not None and links < _MOST_LINKS:
            links += 1
            done = [] if target.startswith("/") else done[:-1]
            ahead += [part for part in target.split("/") if part][::-1]
    return path


def _link(rootfs: Path | None, parts: list[str]) -> str | None:
    if rootfs is None:
        return None
    try:
        return os.readlink(os.path.join(rootfs, *parts))
    except (OSError, ValueError):
        return None
