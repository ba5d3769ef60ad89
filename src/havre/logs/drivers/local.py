"""The default driver: files in the container's directory, written by conmon, rotated by size.

``log`` is the newest, ``log.1`` the one before, and so on up to ``max-file``. While no daemon runs, nothing rotates.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from havre.errors import InvalidParameter
from havre.lib.sizes import parse_bytes
from havre.logs import Follow, Selection
from havre.logs.records import Renderer, tail_offset

_BLOCK = 256 * 1024
_OPTIONS = ("max-size", "max-file", "compress")
MAX_SIZE, MAX_FILE = "10m", "3"


class LocalDriver:
    """``--log-driver local``, and the default under the name that clients look for, ``json-file``."""

    def __init__(self, name: str = "local") -> None:
        self.name = name

    def path(self, directory: Path) -> Path | None:
        return directory / "log"

    def check(self, options: Mapping[str, str]) -> None:
        for option in options:
            if option not in _OPTIONS:
                raise InvalidParameter(f"unknown log opt '{option}' for {self.name} log driver")
        _limits(options)
        if options.get("compress", "false") not in ("false", "0"):
            raise InvalidParameter(f"the {self.name} log driver of havre does not compress: set compress=false")

    def rotate(self, directory: Path, options: Mapping[str, str]) -> bool:
        size, files = _limits(options)
        newest = directory / "log"
        try:
            if newest.stat().st_size < size:
                return False
        except FileNotFoundError:
            # A daemon was killed between the renaming and the reopening: its writer still writes to an older one.
            return True
        for number in range(files - 1, 0, -1):
            older = directory / f"log.{number - 1}" if number > 1 else newest
            if older.exists():
                older.rename(directory / f"log.{number}")
        if files == 1:
            newest.unlink()
        return True

    async def read(self, directory: Path, selection: Selection, follow: Follow | None) -> AsyncIterator[bytes]:
        renderer = Renderer(selection)
        # Opened before the older ones are read: a rotation meanwhile moves the name, not this file.
        newest = _open(directory / "log")
        try:
            for block in _from_tail(_older(directory, newest), newest, selection.tail):
                if data := renderer.render(block):
                    yield data
                if renderer.past_until:
                    return
            while follow is not None and not renderer.past_until:
                alive = await follow.more()
                newest, blocks = _news(directory, newest)
                for block in blocks:
                    if data := renderer.render(block):
                        yield data
                if not alive:
                    return
        finally:
            if newest is not None:
                newest.close()


def _limits(options: Mapping[str, str]) -> tuple[int, int]:
    """``max-size`` in bytes and ``max-file``; ``InvalidParameter`` when they are not positive numbers."""
    try:
        size, files = parse_bytes(options.get("max-size", MAX_SIZE)), int(options.get("max-file", MAX_FILE))
    except ValueError as error:
        raise InvalidParameter(f"invalid log opt: {error}") from None
    if size <= 0 or files <= 0:
        raise InvalidParameter("invalid log opt: max-size and max-file must be positive")
    return size, files


def _open(path: Path) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _older(directory: Path, newest: BinaryIO | None) -> list[BinaryIO]:
    """The rotated files, oldest first, without the one that is already open as the newest."""
    known = os.fstat(newest.fileno()).st_ino if newest else None
    files: list[BinaryIO] = []
    number = 1
    while (file := _open(directory / f"log.{number}")) is not None:
        if os.fstat(file.fileno()).st_ino == known:
            file.close()
        else:
            files.insert(0, file)
        number += 1
    return files


def _from_tail(older: list[BinaryIO], newest: BinaryIO | None, tail: int | None) -> Iterator[bytes]:
    """Blocks of whole records from where the last ``tail`` lines begin; leaves ``newest`` behind what was read."""
    files = [*older, *([newest] if newest else [])]
    try:
        start = 0
        if tail is not None:
            start = len(files)
            while tail > 0 and start > 0:
                start -= 1
                tail -= _seek_tail(files[start], tail)
            if tail == 0 and start == len(files) and newest is not None:
                newest.seek(0, os.SEEK_END)
        for file in files[start:]:
            yield from _blocks(file)
    finally:
        for file in older:
            file.close()


def _seek_tail(file: BinaryIO, wanted: int) -> int:
    """Put ``file`` where its last ``wanted`` lines begin; returns how many there are (fewer when it is short)."""
    end = file.seek(0, os.SEEK_END)
    size = _BLOCK
    while True:
        start = max(0, end - size)
        file.seek(start)
        block = file.read(end - start)
        skip = block.find(b"\n") + 1 if start else 0
        # A record that is still being written has no end yet and does not count.
        whole = block[skip : block.rfind(b"\n") + 1]
        offset, count = tail_offset(whole, wanted)
        if offset > 0 or start == 0:
            file.seek(start + skip + offset)
            return count
        size *= 4


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Whole records from the file's position on; the position is left before a record that is not complete."""
    while True:
        position = file.tell()
        block = file.read(_BLOCK)
        end = block.rfind(b"\n") + 1
        if end != len(block):
            file.seek(position + end)
        if end == 0:
            return
        yield block[:end]


def _news(directory: Path, newest: BinaryIO | None) -> tuple[BinaryIO | None, list[bytes]]:
    """What was written since, across a rotation; the file to go on with."""
    blocks: list[bytes] = []
    if newest is not None:
        # The new name is looked at first: once it exists, conmon writes nothing more to the old file.
        current = _open(directory / "log")
        blocks += _blocks(newest)
        if current is None:
            return newest, blocks
        if os.fstat(current.fileno()).st_ino == os.fstat(newest.fileno()).st_ino:
            current.close()
            return newest, blocks
        newest.close()
        newest = current
    else:
        newest = _open(directory / "log")
    if newest is not None:
        blocks += _blocks(newest)
    return newest, blocks
