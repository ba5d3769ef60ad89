"""openat2(2): opening paths in a foreign file tree as root, with the kernel itself keeping the walk inside.

Copying to and from containers, volume copy-up and layers come in here. Errors are ``OSError`` with the kernel's errno:
``ELOOP`` for a link where none may be, ``EXDEV`` for a path that leads out.
"""

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_OPENAT2 = 437  # the same number on every architecture

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_RETRIES = 64


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open ``path`` as if the directory ``root`` (a descriptor) were ``/``: links and ``..`` end there, as in a
    container.

    The descriptor returned is close-on-exec. ``mode`` counts only with O_CREAT or O_TMPFILE.
    """
    return openat2(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def open_beneath(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open ``path`` below the directory ``root`` following no link at all; a path that leads out is an error."""
    return openat2(root, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)


def openat2(directory: int, path: str | bytes, flags: int, mode: int, resolve: int) -> int:
    """openat2(2) itself; ``resolve`` is a sum of RESOLVE_* flags."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    for _ in range(_RETRIES):
        fd = _libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(directory),
            ctypes.c_char_p(encoded),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        # The kernel gives up on ".." when anything on the host was renamed during the walk, and asks to be called
        # again.
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code), os.fsdecode(path))
