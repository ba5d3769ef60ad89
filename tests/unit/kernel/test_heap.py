"""What was freed goes back to the kernel."""

import ctypes
from pathlib import Path

from havre.kernel import heap

_PIECE, _PIECES = 4096, 5000


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_freed_memory_goes_back_to_the_kernel() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    pieces = [libc.malloc(_PIECE) for _ in range(_PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, _PIECE)
    # The last one keeps the heap from shrinking at its end.
    for piece in pieces[:-1]:
        libc.free(piece)
    before = resident()
    heap.give_back()
    assert before - resident() > _PIECE * _PIECES // 2
    libc.free(pieces[-1])
