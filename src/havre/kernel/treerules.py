"""What holds for all who read or make file trees for containers: how names are opened, and what files may be given.

The unpacking child imports this: nothing but os and errno.
"""

from __future__ import annotations

import errno
import os

NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Whatever has the name, without opening it: opening a device acts on the host."""

PLACE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
LISTING = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

LARGEST_ID = (1 << 32) - 2  # the one above means "leave it as it is" to chown
_LARGEST_TIME = 1 << 63

# How an archive of a layer names deletions, and the mark of a directory that hides what is below it.
WHITEOUT_PREFIX, OPAQUE_NAME = b".wh.", b".wh..wh..opq"

# By its private attributes an archive could steer overlayfs to where it has no business.
FOREIGN_ATTRIBUTES = ("trusted.",)


def bounded(nanoseconds: int) -> int:
    """A file's time as Docker gives it: one before 1970, or beyond what a kernel holds, becomes 0."""
    return nanoseconds if 0 <= nanoseconds < _LARGEST_TIME else 0


def is_tolerated(error: OSError) -> bool:
    """Whether an attribute that could not be set is passed over, as in Docker: this file system does not have it."""
    return error.errno in (errno.ENOTSUP, errno.EPERM, errno.EINVAL)
