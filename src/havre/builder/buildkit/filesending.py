"""Sending a tree of files to a client: the other end of ``filepackets``."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from havre.builder.buildkit.filepackets import BadFiles, bits_of
from havre.builder.buildkit.messages.session import DATA, ERROR, FINISH, REQUEST, STAT, Packet, Stat
from havre.builder.buildkit.rpc import Stream

_PIECE = 256 << 10
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


async def send_tree(stream: Stream, root: Path) -> int:
    """Send the tree at ``root``, which nobody changes meanwhile; returns the bytes that the client wanted of it."""
    told = await asyncio.to_thread(lambda: list(listing(root)))
    for each in told:
        await stream.send(Packet(STAT, each))
    await stream.send(Packet(STAT))
    sent = 0
    while (packet := await stream.receive(Packet)) is not None:
        if packet.type == FINISH:
            await stream.send(Packet(FINISH))
            await stream.end()
            await stream.fail_if_failed()
            return sent
        if packet.type == ERROR:
            raise BadFiles(f"error from receiver: {packet.data.decode('utf-8', 'replace')}")
        if packet.type != REQUEST or packet.id >= len(told):
            raise BadFiles(f"unexpected packet of type {packet.type} from the receiver")
        sent += await _send_file(stream, packet.id, root / told[packet.id].path)
    raise BadFiles("the receiver ended before everything was sent")


async def _send_file(stream: Stream, number: int, path: Path) -> int:
    fd = os.open(path, _READ)
    sent = 0
    try:
        while data := await asyncio.to_thread(os.read, fd, _PIECE):
            await stream.send(Packet(DATA, id=number, data=data))
            sent += len(data)
    finally:
        os.close(fd)
    await stream.send(Packet(DATA, id=number))
    return sent


def listing(root: Path, below: str = "") -> Iterator[Stat]:
    """All files in the order that receivers insist on: by name, what is in a directory right behind it. Blocks."""
    for entry in sorted(os.scandir(root / below), key=lambda entry: os.fsencode(entry.name)):
        path = f"{below}/{entry.name}" if below else entry.name
        status = entry.stat(follow_symlinks=False)
        link = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else ""
        device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
        yield Stat(
            path,
            bits_of(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if stat.S_ISREG(status.st_mode) else 0,
            status.st_mtime_ns,
            link,
            os.major(status.st_rdev) if device else 0,
            os.minor(status.st_rdev) if device else 0,
        )
        if stat.S_ISDIR(status.st_mode):
            yield from listing(root, path)
