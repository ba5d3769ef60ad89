"""Unpacking a layer into a directory, in a child process that cannot leave it.

The daemon's half: it starts the child (``unpack_child``) with the blob as its standard input, listens to its progress,
and ends it when nobody wants the result any more. The layer store comes in here.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import havre
from havre.errors import InvalidParameter, SystemFault
from havre.kernel import overlayfs
from havre.kernel.openat2 import open_beneath

# Isolated and without site: neither the environment nor the working directory decide what the child imports.
_BOOT = "import sys; sys.path[:0] = sys.argv[1:3]; from havre.kernel.unpack_child import main; main(sys.argv[3:])"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one layer may take: ``entries`` in its archive, ``size`` in bytes of content."""

    entries: int = 4_000_000
    size: int = 256 << 30


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was in a layer: the digest of the uncompressed archive, bytes of files and links, number of inodes made."""

    diff_id: str
    size: int
    inodes: int


async def unpack(
    blob: BinaryIO,
    target: Path,
    below: Sequence[Path],
    limits: Limits,
    progress: Callable[[int], None] | None = None,
) -> Unpacked:
    """Unpack the archive ``blob`` (gzip, zstd or plain tar: its first bytes tell) into the empty directory ``target``.

    ``below`` are the layers under it, top first. ``progress`` is told the bytes of ``blob`` consumed so far. Raises
    ``InvalidParameter`` for an archive that is damaged, hostile or beyond ``limits``, ``SystemFault`` when the host is
    at fault (disk full). ``target`` is then left half full, for the caller to throw away. Needs root.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(target, below, limits),
        stdin=blob,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        env={},
    )
    pidfd = _pidfd(process.pid)
    try:
        return await _listen(process, target, progress)
    finally:
        if pidfd is not None:
            # Not process.kill(): it would reap a child that has just ended behind the back of the event loop.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        await process.wait()


def _pidfd(pid: int) -> int | None:
    """A descriptor of the child; None when it has ended already."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


async def _listen(
    process: asyncio.subprocess.Process, target: Path, progress: Callable[[int], None] | None
) -> Unpacked:
    """Follow what the child says until it has said how it ended."""
    assert process.stdout is not None and process.stderr is not None
    opaque: list[bytes] = []
    async for line in process.stdout:
        word, _, rest = line.decode(errors="replace").rstrip("\n").partition(" ")
        if word == "progress" and progress is not None:
            progress(int(rest))
        elif word == "opaque":
            opaque.append(bytes.fromhex(rest))
        elif word == "done":
            diff_id, size, inodes = rest.split(" ")
            await asyncio.to_thread(_mark_opaque, target, opaque)
            return Unpacked(diff_id, int(size), int(inodes))
        elif word == "invalid":
            raise InvalidParameter(f"failed to register layer: {rest}")
        elif word == "failed":
            raise SystemFault(f"failed to register layer: {rest}")
    last = (await process.stderr.read()).decode(errors="replace").strip().rpartition("\n")[2]
    raise SystemFault(f"failed to register layer: the unpacking process ended with {await process.wait()} {last}")


def _command(target: Path, below: Sequence[Path], limits: Limits) -> list[str]:
    isal = find_spec("isal")
    if isal is None or isal.origin is None:
        raise SystemFault("the Python package isal is not installed")
    source = Path(havre.__file__).parent.parent
    packages = Path(isal.origin).parent.parent
    words = [sys.executable, "-I", "-S", "-c", _BOOT, source, packages, os.getpid(), target]
    return [str(word) for word in [*words, limits.entries, limits.size, *below]]


def _mark_opaque(target: Path, paths: list[bytes]) -> None:
    if not paths:
        return
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in paths:
            fd = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.setxattr(fd, overlayfs.OPAQUE, b"y")
            finally:
                os.close(fd)
    finally:
        os.close(root)
