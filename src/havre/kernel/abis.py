"""Which foreign system call conventions this kernel runs beside its own: found out by running a program in each.

Seccomp filters are compiled for every convention they name, which takes the runtime milliseconds for each container and
each exec. A convention the kernel refuses needs no rules: no program can use it.
"""

import errno
import os
import platform
import struct
import subprocess
import tempfile
from pathlib import Path

_BASE, _HEADER, _SEGMENT = 0x10000, 52, 32
# name: (ELF machine, code of a program that does exit(0))
_PROGRAMS = {
    # mov eax, 1; xor ebx, ebx; int 0x80
    "x86": (3, b"\xb8\x01\x00\x00\x00\x31\xdb\xcd\x80"),
    # mov eax, 0x4000003c; xor edi, edi; syscall
    "x32": (62, b"\xb8\x3c\x00\x00\x40\x31\xff\x0f\x05"),
}


def missing() -> frozenset[str]:
    """Of ``x86`` and ``x32``, those a 64-bit PC kernel was built or booted without; empty on other machines."""
    if platform.machine() != "x86_64":
        return frozenset()
    return frozenset(name for name, (machine, code) in _PROGRAMS.items() if not _runs(_elf(machine, code)))


def _runs(program: bytes) -> bool:
    """False only when the kernel says that it knows no such format: in doubt a convention is there."""
    fd, path = tempfile.mkstemp(prefix="havre-abi-")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(program)
        Path(path).chmod(0o700)
        subprocess.run([path], stdin=subprocess.DEVNULL, timeout=5)
    except OSError as error:
        return error.errno != errno.ENOEXEC
    except subprocess.TimeoutExpired:
        return True
    finally:
        Path(path).unlink()
    return True


def _elf(machine: int, code: bytes) -> bytes:
    """The smallest 32-bit executable: a file header, one segment of everything, the code."""
    start = _HEADER + _SEGMENT
    size = start + len(code)
    identity = b"\x7fELF" + bytes([1, 1, 1, 0]) + bytes(8)
    fields = (2, machine, 1, _BASE + start, _HEADER, 0, 0, _HEADER, _SEGMENT, 1, 0, 0, 0)
    header = identity + struct.pack("<HHIIIIIHHHHHH", *fields)
    return header + struct.pack("<8I", 1, 0, _BASE, _BASE, size, size, 5, 0x1000) + code
