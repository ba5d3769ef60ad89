"""Sockets in network namespaces that are open as descriptors, for a process of one thread. The resolver comes in.

Apart from ``namespaces`` for its memory: it imports only what it needs.
"""

from __future__ import annotations

import ctypes
import os
import socket

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace: int, home: int, family: int, kind: int) -> socket.socket:
    """A socket, not blocking, in ``namespace``; the thread is back in ``home`` afterwards, or the process ends."""
    if namespace == home:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    if _libc.setns(namespace, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"cannot enter a network namespace: {os.strerror(code)}")
    try:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    finally:
        if _libc.setns(home, _CLONE_NEWNET):
            # Going on in a foreign namespace would mix up networks.
            os._exit(1)
