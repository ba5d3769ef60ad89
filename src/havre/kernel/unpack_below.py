"""What the unpacking child sees of the layers below: one merged read-only tree, walked without following a link.

Runs in the child only.
"""

import os
import stat

from havre.kernel.treerules import NAME


def find(root: int, path: bytes) -> int | None:
    """A descriptor (O_PATH) of ``path`` in the directory ``root``; None when it is not there."""
    fd = os.dup(root)
    for part in path.split(b"/"):
        try:
            inner = os.open(part, NAME, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        finally:
            os.close(fd)
        fd = inner
    return fd


def copy(root: int, path: bytes, target: int) -> dict[str, bytes]:
    """Copy content, owner and mode of the regular file ``path`` in ``root`` to the open file ``target``.

    Returns its extended attributes. ``FileNotFoundError`` when it is not there.
    """
    directory, _, name = path.rpartition(b"/")
    parent = find(root, directory) if directory else os.dup(root)
    if parent is None:
        raise FileNotFoundError(path)
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        while os.sendfile(target, source, None, 1 << 30):
            pass
        status = os.stat(source)
        os.fchown(target, status.st_uid, status.st_gid)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        return {name: os.getxattr(source, name) for name in os.listxattr(source)}
    finally:
        os.close(source)
