"""Reading logs back: older files first, packed ones too, from a tail on, and following across rotations."""

import asyncio
import os
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from havre.logs import Follow, Selection

_BLOCK = 256 * 1024
_ATTEMPTS, _PATIENCE, _PAUSE = 200, 20, 0.005

Older = Callable[[], list[Path]]
"""The files before the newest, oldest first, as their names are now."""


class Renderer(Protocol):
    """Turns whole lines of a file into what the client gets."""

    past_until: bool
    """Set once a line lies behind ``until``: nothing later can be selected."""

    def render(self, lines: bytes) -> bytes: ...


class Format(Protocol):
    """What the lines of a log file look like."""

    def renderer(self, selection: Selection) -> Renderer:
        """One for a whole log: it remembers what is half done."""

    def tail_offset(self, block: bytes, wanted: int, *, last: bool = True) -> tuple[int, int]:
        """Where the last ``wanted`` lines of text in ``block`` begin, and how many there are from there. A piece of a
        line at the very end is a line of its own if nothing comes after it: ``last``.
        """


async def read(
    newest: Path, older: Older, form: Format, selection: Selection, follow: Follow | None
) -> AsyncIterator[bytes]:
    """The selected lines of all files; with ``follow`` also those still to come."""
    renderer = form.renderer(selection)
    files = await _open_all(newest, older)
    try:
        for file in files[await _seek_tail(files, form, selection.tail) :]:
            for block in _blocks(await file.plain()):
                if data := renderer.render(block):
                    yield data
                if renderer.past_until:
                    return
        while follow is not None:
            alive = await follow.more()
            files = await _with_news(files, newest, older)
            for file in files:
                for block in _blocks(await file.plain()):
                    if data := renderer.render(block):
                        yield data
                    if renderer.past_until:
                        return
            if not alive:
                return
    finally:
        for file in files:
            file.close()


class _File:
    """A log file that is open; one that is packed is unpacked when it is needed."""

    def __init__(self, path: Path) -> None:
        self._packed = path.suffix == ".gz"
        self._directory = path.parent
        self._file: BinaryIO = path.open("rb")

    @property
    def inode(self) -> int:
        return os.fstat(self._file.fileno()).st_ino

    async def plain(self) -> BinaryIO:
        if self._packed:
            await asyncio.to_thread(self._unpack)
        return self._file

    def close(self) -> None:
        self._file.close()

    def _unpack(self) -> None:
        plain = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 (closed with this object)
        unpacker = zlib.decompressobj(31)
        try:
            while block := self._file.read(_BLOCK):
                plain.write(unpacker.decompress(block))
        except zlib.error:
            # Damaged: what could be unpacked is shown.
            pass
        plain.seek(0)
        self._file.close()
        self._file, self._packed = plain, False


async def _open_all(newest: Path, older: Older, known: int | None = None) -> list[_File]:
    """All files, oldest first, none twice and none left out by a rotation that goes on meanwhile. With the inode of a
    file that is ``known``, those behind it.
    """
    files: list[_File] = []
    for attempt in range(_ATTEMPTS):
        for file in files:
            file.close()
        last = _open(newest)
        inode = last.inode if last is not None else None
        before, whole = _open_older(older, known)
        files = [*before, *([last] if last is not None else [])]
        # Should the newest have been renamed meanwhile, it is found among the older ones as well.
        if whole and _inode(newest) == inode and len({file.inode for file in files}) == len(files):
            return files
        if whole is None and attempt >= _PATIENCE:
            break
        await asyncio.sleep(_PAUSE)
    if known is not None:
        # It was packed or removed: the newest is all that is surely new.
        for file in files[:-1]:
            file.close()
        files = files[-1:]
    return files


def _open_older(older: Older, known: int | None) -> tuple[list[_File], bool | None]:
    """The files before the newest, from behind the one that is ``known``. False when some were renamed meanwhile, None
    when the known one was not found, which may mean the same.
    """
    files: list[_File] = []
    for path in reversed(older()):
        file = _open(path)
        if file is None:
            return files[::-1], False
        if file.inode == known:
            file.close()
            return files[::-1], True
        files.append(file)
    return files[::-1], None if known is not None else True


def _open(path: Path) -> _File | None:
    try:
        return _File(path)
    except FileNotFoundError:
        return None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


async def _seek_tail(files: list[_File], form: Format, tail: int | None) -> int:
    """The index of the file to begin with, the file being put where its part of the tail begins."""
    if tail is None:
        return 0
    start = len(files)
    if tail == 0 and files:
        (await files[-1].plain()).seek(0, os.SEEK_END)
    while tail > 0 and start > 0:
        start -= 1
        tail -= _seek_lines(await files[start].plain(), form, tail, last=start == len(files) - 1)
    return start


def _seek_lines(file: BinaryIO, form: Format, wanted: int, *, last: bool) -> int:
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
        offset, count = form.tail_offset(whole, wanted, last=last)
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


async def _with_news(files: list[_File], newest: Path, older: Older) -> list[_File]:
    """The files to go on with: the last one known, and all that have come after it."""
    if not files:
        return await _open_all(newest, older)
    for file in files[:-1]:
        file.close()
    current = files[-1]
    if _inode(newest) in (current.inode, None):
        return [current]
    # Once the new name is there, nothing more is written to the file we hold.
    return [current, *await _open_all(newest, older, current.inode)]
