"""Where a process starts: made with the container, if its image lacks it, so that files can be copied there.

Never behind a magic link of ``/proc``, which may lead to what the runtime has open outside. Runtimes of today check
that themselves; older ones let such a process out (CVE-2024-21626).
"""

import errno
import os
from pathlib import Path

from havre.errors import InvalidParameter, SystemFault
from havre.kernel.views import TooManyLinksError, View

_MAGIC = frozenset(("fd", "cwd", "root", "exe", "map_files", "ns"))
_MOST_LINKS = 40
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def make(rootfs: Path, path: str) -> None:
    """Make the directory ``path`` of the mounted ``rootfs``, if it is not there; links are followed inside it.

    ``InvalidParameter`` if something that is no directory is in the way, or it is no path the file system takes.
    """
    view = View(os.open(rootfs, _DIRECTORY), frozenset())
    try:
        here = os.dup(view.root)
        try:
            for part in view.resolve(os.fsencode(path)).split(b"/")[1:]:
                if part:
                    here = _step(here, part)
        finally:
            os.close(here)
    except (NotADirectoryError, TooManyLinksError):
        raise InvalidParameter(f"Cannot mkdir: {path} is not a directory") from None
    except OSError as error:
        kind = InvalidParameter if error.errno == errno.ENAMETOOLONG else SystemFault
        raise kind(f"mkdir {path}: {os.strerror(error.errno or 0).lower()}") from None
    finally:
        view.close()


def _step(here: int, name: bytes) -> int:
    """Go down to ``name``, made if it is missing; on return ``here`` is closed."""
    try:
        os.mkdir(name, 0o755, dir_fd=here)
    except FileExistsError:
        pass
    below = os.open(name, _DIRECTORY, dir_fd=here)
    os.close(here)
    return below


def _link(rootfs: Path | None, parts: list[str]) -> str | None:
    if rootfs is None:
        return None
    try:
        return os.readlink(os.path.join(rootfs, *parts))
    except (OSError, ValueError):
        return None
