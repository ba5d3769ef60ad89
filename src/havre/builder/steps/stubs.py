"""Mount points that a runtime makes where an image has none: they are no part of what a command did.

Noted before the command runs, taken away after it if nothing has come to be there.
"""

import os
import posixpath
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from havre.kernel.openat2 import open_beneath
from havre.kernel.treerules import LISTING


@dataclass(frozen=True, slots=True)
class _Stub:
    """``path`` was not there, in the directory ``parent``, which had these times."""

    path: str
    parent: str
    status: os.stat_result


def missing(root: int, targets: Iterable[str]) -> list[_Stub]:
    """What of the paths ``targets`` is not in the tree ``root``: each part, the deepest first."""
    found: dict[str, _Stub] = {}
    for target in targets:
        parts = posixpath.normpath(target).strip("/").split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            parent = posixpath.dirname(path)
            if parent in found:
                found.setdefault(path, _Stub(path, parent, found[parent].status))
                continue
            try:
                fd = open_beneath(root, parent or ".", LISTING)
            except OSError:
                break  # a link, or no directory: whatever the runtime makes of that is not ours to clear
            try:
                os.stat(parts[count - 1], dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                found.setdefault(path, _Stub(path, parent, os.fstat(fd)))
            finally:
                os.close(fd)
    return sorted(found.values(), key=lambda stub: stub.path.count("/"), reverse=True)


def clear(root: int, stubs: Iterable[_Stub]) -> None:
    """Take away what is at the places of ``stubs`` and empty; parents that stay get their times back."""
    for stub in stubs:
        try:
            fd = open_beneath(root, stub.parent or ".", LISTING)
        except OSError:
            continue
        try:
            if _remove(fd, posixpath.basename(stub.path)):
                os.utime(fd, ns=(stub.status.st_atime_ns, stub.status.st_mtime_ns))
        finally:
            os.close(fd)


def _remove(directory: int, name: str) -> bool:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=directory)
        elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
            os.unlink(name, dir_fd=directory)
        else:
            return False
    except OSError:
        return False
    return True
