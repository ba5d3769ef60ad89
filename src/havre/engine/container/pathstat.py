"""What ``docker cp`` is told of a path in a container, in the words of Go: its ``filepath`` and its file modes."""

import os
import posixpath
import stat
from typing import Any

from havre.lib.times import rfc3339nano

# Go's os.FileMode: permissions as in Unix, all else in bits of its own.
_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


def path_stat(name: str, status: os.stat_result, link_target: str) -> dict[str, Any]:
    """The value of the header ``X-Docker-Container-Path-Stat``."""
    return {
        "name": name,
        "size": status.st_size,
        "mode": go_mode(status.st_mode),
        "mtime": rfc3339nano(status.st_mtime_ns),
        "linkTarget": link_target,
    }


def go_mode(mode: int) -> int:
    """A Unix mode as Go's os.FileMode number."""
    bits = sum(go for unix, go in _BITS if mode & unix)
    return _TYPES.get(stat.S_IFMT(mode), 0) | bits | mode & 0o777


def base(path: str) -> str:
    """The last element of ``path``, slashes at the end aside, as Go's filepath.Base: ``/`` for the root."""
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def absolute(path: str) -> str:
    """``path`` clean and absolute, but an end of ``/`` or ``/.`` is kept: it says that a directory is meant."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if base(path) == ".":
        return posixpath.join(clean, ".")
    return posixpath.join(clean, "") if path.endswith("/") else clean
