"""The unpacking child: shut into the target directory, it turns one layer archive into files.

Started by ``havre.kernel.unpack`` with the blob as standard input. It speaks in lines on standard output: ``progress
N`` (bytes of the blob consumed), ``opaque HEX`` (a directory to be marked so), and last ``done DIGEST SIZE INODES``,
``invalid MESSAGE`` or ``failed MESSAGE``. Before it reads a byte it makes the target its root, in a mount namespace of
its own where devices cannot be opened, and drops every capability but those that make files: what a layer says can only
happen inside.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from havre.kernel import mounts, overlayfs
from havre.kernel.compression import CHUNK, CompressionError, opener
from havre.kernel.unpack_stream import Stream
from havre.kernel.unpack_tree import Tree
from havre.lib.tarheaders import BLOCK, Headers, TarError, padding

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9  # the module signal would cost 3 ms to import
_CAPABILITY_VERSION_3 = 0x20080522
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP
_KEPT_CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 27 | 1 << 31
# What a layer cannot bring about by what is in it; other errors (name too long, link loop) are its own.
_HOST_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_PROGRESS_STEP = 4 << 20


def main(arguments: list[str]) -> None:
    """``arguments``: the parent's process id, the target, limits of entries and bytes, the layers below (top first)."""
    parent, target, entries, size, *below = arguments
    try:
        os.umask(0)
        _die_with(int(parent))
        # The first bytes decide what must be imported, which is possible only now.
        head = os.read(0, CHUNK)
        opening = opener(head)
        below_fd = _confine(target, below)
    except OSError as error:
        _say(f"failed cannot confine the unpacking process: {error}")
        return
    try:
        _say(_unpack(Stream(0, head, opening, _Progress()), below_fd, int(entries), int(size)))
    except (TarError, CompressionError) as error:
        _say(f"invalid {error}")
    except OSError as error:
        word = "failed" if error.errno in _HOST_FAULTS else "invalid"
        _say(f"{word} {error}")


def _unpack(stream: Stream, below: int | None, most_entries: int, most_bytes: int) -> str:
    tree = Tree(stream, below, most_bytes)
    headers = Headers()
    count = 0
    while not headers.ended and (block := stream.block(BLOCK)) is not None:
        entry = headers.block(block)
        if entry is not None:
            count += 1
            if count > most_entries:
                raise TarError(f"layer has more than {most_entries} entries")
            tree.add(entry)
        elif headers.wants:
            wanted = headers.wants
            headers.extra(stream.read(wanted))
            stream.skip(padding(wanted))
    tree.finish()
    digest = stream.finish()
    for path in sorted(tree.opaque):
        _say(f"opaque {path.hex()}")
    return f"done {digest} {tree.size} {tree.inodes}"


def _confine(target: str, below: list[str]) -> int | None:
    """Make ``target`` the root of this process for good. Returns a descriptor of the layers below as one."""
    _check(_libc.unshare(_CLONE_NEWNS))
    # Slave: what the host unmounts must not live on in here.
    mounts.mount("none", "/", None, mounts.MS_SLAVE | mounts.MS_REC)
    below_fd = None
    if below:
        overlayfs.mount_stack(target, below)
        below_fd = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mounts.unmount(target, detach=True)
    mounts.bind(target, target, recursive=False)
    flags = mounts.MS_NODEV | mounts.MS_NOSUID | mounts.MS_NOEXEC
    mounts.mount("none", target, None, mounts.MS_REMOUNT | mounts.MS_BIND | flags)
    os.chdir(target)
    _check(_libc.pivot_root(b".", b"."))
    mounts.unmount(".", detach=True)
    os.chdir("/")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _drop_capabilities()
    return below_fd


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low = _KEPT_CAPABILITIES & 0xFFFFFFFF
    # effective, permitted, inheritable: of capabilities 0–31, then of 32–63
    sets = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(sets)))


def _die_with(parent: int) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    if os.getppid() != parent:  # it died before it could be heard of
        sys.exit(1)


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class _Progress:
    def __init__(self) -> None:
        self._told = 0

    def __call__(self, consumed: int) -> None:
        if consumed - self._told >= _PROGRESS_STEP:
            self._told = consumed
            _say(f"progress {consumed}")


def _say(line: str) -> None:
    # One write: lines of the two threads must not mix.
    os.write(1, line.replace("\n", " ").encode(errors="replace")[:4000] + b"\n")
