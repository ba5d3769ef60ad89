"""Extended attributes of a layer's files, as far as a layer may have them. Runs in the unpacking child only."""

from __future__ import annotations

import os

from havre.kernel.treerules import FOREIGN_ATTRIBUTES, is_tolerated

_ACLS = "system.posix_acl_"


def set_xattrs(target: int | bytes, xattrs: dict[str, bytes]) -> bool:
    """Set ``xattrs`` on the open file or path ``target`` (a link itself); tells whether an access list was among them.

    What this file system or kernel does not have is passed over, as in Docker.
    """
    acls = False
    for name, value in xattrs.items():
        if name.startswith(FOREIGN_ATTRIBUTES):
            continue
        acls = acls or name.startswith(_ACLS)
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if not is_tolerated(error):
                raise
    return acls
