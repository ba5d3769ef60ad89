"""Mounting a stack of directories as one with overlayfs. Snapshots and the unpacking child come in here."""

from __future__ import annotations

import os
import stat

from havre.errors import SystemFault
from havre.kernel import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all the rest the unpacking child needs
    from collections.abc import Sequence

    StrPath = str | os.PathLike[str]

# nofollow: a redirect that a layer brought along must not point anywhere. No index, no metacopy: a layer stays readable
# file by file, for archives and for another kernel.
_OPTIONS = "index=off,metacopy=off,redirect_dir=nofollow"
_OPTIONS_LIMIT = 4095  # a page, less the final NUL
OPAQUE = "trusted.overlay.opaque"
WHITEOUT = os.makedev(0, 0)
"""The device number of what stands for a deleted file."""


def is_whiteout(status: os.stat_result) -> bool:
    """Whether a file of a layer only says that there is none."""
    return status.st_rdev == WHITEOUT and stat.S_ISCHR(status.st_mode)


def is_opaque(fd: int) -> bool:
    """Whether the open directory of a layer hides what is below it."""
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError:
        return False


def mount_stack(
    target: StrPath, lower: Sequence[StrPath], upper: StrPath | None = None, work: StrPath | None = None
) -> None:
    """Show ``lower`` (top first) under ``upper`` at ``target``; without ``upper`` read-only.

    ``work`` is an empty directory on the file system of ``upper``. The kernel takes up to 500 layers, but only a page
    of options: with short names in one directory (``<common>/<number>/fs``) that is enough for about 150. Raises
    ``SystemFault`` for more, ``OSError`` when the kernel refuses.
    """
    if upper is None and len(lower) == 1:
        mounts.bind(lower[0], target, readonly=True, recursive=False)  # overlayfs wants two layers at least
        return
    flags = mounts.MS_RDONLY if upper is None else 0
    tail = f",upperdir={_escaped(upper)},workdir={_escaped(work)}" if upper and work else ""
    data = f"{_OPTIONS},lowerdir={':'.join(map(_escaped, lower))}{tail}"
    if len(os.fsencode(data)) <= _OPTIONS_LIMIT:
        mounts.mount("overlay", target, "overlay", flags, data)
        return
    common = os.path.commonpath(lower)
    fd = os.open(common, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = ":".join(f"/proc/self/fd/{fd}/{os.path.relpath(layer, common)}" for layer in lower)
        data = f"{_OPTIONS},lowerdir={short}{tail}"
        if len(os.fsencode(data)) > _OPTIONS_LIMIT:
            raise SystemFault(f"too many layers to mount: {len(lower)}")
        mounts.mount("overlay", target, "overlay", flags, data)
    finally:
        os.close(fd)


def _escaped(path: StrPath) -> str:
    # A colon would end the name, a comma the option.
    return os.fspath(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def is_shown(layer: StrPath) -> bool:
    """Whether a mount of this process's mount namespace has the directory ``layer``, called ``<number>/fs``, in it."""
    path = os.fspath(layer)
    short = "/".join(path.rsplit("/", 2)[-2:])
    for mount in mounts.mountinfo():
        if mount.root == path:
            return True
        if mount.fstype == "overlay":
            options = mount.super_options.split(",")
            lower = next((one.partition("=")[2] for one in options if one.startswith("lowerdir=")), "")
            # Of short names only the end is known: better one mount too many than a file system pulled away.
            shown = lower.split(":")
            if path in shown or any(one.startswith("/proc/self/fd/") and one.endswith(f"/{short}") for one in shown):
                return True
    return False
