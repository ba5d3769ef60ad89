"""Docker's JSON lines, appended to ``<id>-json.log`` and rotated by size: every line once, whenever the writer is
killed.

What it appends depends only on conmon's bytes. So a writer that was killed between the append and the commit of the
position makes the same bytes again and leaves out those the file holds already, down to half a line.
"""

import os
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from havre.logs.segments import NEWEST, compress, rotated
from havre.logs.writer.lines import Lines, Message
from havre.logs.writer.position import Position, PositionFile
from havre.logs.writer.source import Source

_BLOCK = 128 << 10
# No container keeps the others waiting while its many small files are shifted.
_LEAST_BLOCK, _FILES_A_BLOCK = 256, 4
# What stands in JSON as it is; an end of line only parts messages here.
_PLAIN = bytes(code for code in range(32, 256) if code != 127 and chr(code) not in '"\\<>&') + b"\n\x7f"
_RUN, _LONG = 64, 2048
_HEAD = b'{"log":"'
_SHORT = {ord('"'): b'\\"', 8: b"\\b", 9: b"\\t", 12: b"\\f", 13: b"\\r"}


class Encoder:
    """Messages as JSON lines. ``attributes`` (labels, variables, tag) stand in every one of them.

    All is done on whole blocks, byte by byte only where the interpreter does it in C.
    """

    def __init__(self, attributes: str) -> None:
        middle = f'","attrs":{attributes},"time":"' if attributes else '","time":"'
        words = middle.encode().replace(b"%", b"%%")
        self._line = b'{"log":"%b\\n","stream":"%b' + words + b'%bZ"}\n'
        self._piece = b'{"log":"%b","stream":"%b' + words + b'%bZ"}\n'

    def encode(self, messages: list[Message]) -> bytes:
        """One line of JSON a message."""
        line, piece = self._line, self._piece
        if sum(map(len, (message.text for message in messages))) > _LONG * len(messages):
            # Many copies of what is long cost more than a few more steps.
            return b"".join([part for message in messages for part in self._parts(message)])
        texts = escape(b"\n".join([text[:-1] if text[-1:] == b"\n" else text for _, _, text, _ in messages]))
        return b"".join(
            [
                (line if message[2][-1:] == b"\n" else piece) % (text, message[1], message[0])
                for message, text in zip(messages, texts.split(b"\n"), strict=True)
            ]
        )

    def _parts(self, message: Message) -> tuple[bytes, bytes, bytes]:
        ended = message.text[-1:] == b"\n"
        text = escape(message.text[:-1] if ended else message.text)
        tail = (self._line if ended else self._piece)[len(_HEAD) + 2 :] % (message.stream, message.time)
        return _HEAD, text, tail


def escape(text: bytes) -> bytes:
    """What stands between the quotes of a JSON string; ends of line are left as they are."""
    if not text.isascii():
        text = text.decode("utf-8", "replace").encode()
    rest = text.translate(None, _PLAIN)
    if b"\\" in rest:
        # First, since the others bring some in.
        text = text.replace(b"\\", b"\\\\")
        rest = rest.translate(None, b"\\")
    while rest:
        one = rest[:1]
        # "<", ">" and "&" are among them: so Go writes them, who thinks of HTML.
        word = _SHORT.get(one[0]) or b"\\u%04x" % one[0]
        if one not in word:
            # What is no text has long runs of the same byte.
            text = text.replace(one * _RUN, word * _RUN)
        text = text.replace(one, word)
        rest = rest.translate(None, one)
    return text


class JsonFile:
    """One container's JSON log. ``step`` takes on a block; errors of the disk are raised and ``reset`` is called
    before the next try.
    """

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self._directory = directory
        self._path = directory / str(config["file"])
        self._max_size = int(config["max_size"])
        self._max_file = int(config["max_file"])
        self._compress = bool(config["compress"])
        self._enough = min(_BLOCK, max(_LEAST_BLOCK, _FILES_A_BLOCK * self._max_size)) if self._max_size > 0 else _BLOCK
        self._encoder = Encoder(config["attributes"])
        self._file = PositionFile(directory / "log.position")
        self._position = self._file.load()
        self.source = Source(directory, self._position.number, self._position.offset)
        self._lines = Lines(self._position.out, self._position.err)
        self._fd = -1
        self._compression: Thread | None = None
        # Bytes that the file holds already of what comes now.
        self._skip = 0
        try:
            self.reset()
        except BaseException:
            self.close()
            raise

    def reset(self) -> None:
        """Go back to what is surely there."""
        position = self._position
        self.source.rewind(position.number, position.offset)
        self._lines = Lines(position.out, position.err)
        self._close_output()
        self._finish_rotation()
        # Without waiting: a FIFO in its place would hold up all containers.
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
        status = os.fstat(self._fd)
        if status.st_ino == position.inode and status.st_size >= position.size:
            self._skip = position.done + status.st_size - position.size
        else:
            # It is new, or somebody has emptied it.
            self._skip = position.done
            self._commit(replace(position, inode=status.st_ino, size=status.st_size))

    def step(self) -> int:
        """Take on one block; returns its bytes, 0 when there was nothing."""
        if not self._in_place():
            self.reset()
        block = self.source.read(_BLOCK, self._enough)
        if not block:
            return 0
        messages = self._lines.feed(block)
        if messages:
            self._append(self._encoder.encode(messages))
        self._commit(self._reached())
        return len(block)

    def flush(self) -> None:
        """conmon has ended and all of it is read: a line without an end is taken on as it is."""
        if messages := self._lines.flush():
            self._append(self._encoder.encode(messages))
            self._commit(self._reached())

    def done(self) -> None:
        """conmon has ended and all of it is taken on: its files go, and the next run begins with a new one."""
        number = max([self.source.number, *[one.number for one in rotated(self._directory)]]) + 1
        self._commit(replace(self._position, number=number, offset=0))
        self.source.rewind(number, 0)
        for segment in rotated(self._directory):
            segment.path.unlink(missing_ok=True)
        (self._directory / NEWEST).unlink(missing_ok=True)

    @property
    def taken(self) -> int:
        """Segments with a lower number are taken on, for good."""
        return self._position.number

    def close(self) -> None:
        self._await_compression()
        self._close_output()
        self.source.close()
        self._file.close()

    def _append(self, data: bytes) -> None:
        """Write, rotating where the file is full; ``data`` is whole lines."""
        if self._skip:
            already = min(self._skip, len(data))
            data = data[already:]
            self._skip -= already
        else:
            already = 0
        done = already
        while data:
            size = os.fstat(self._fd).st_size
            piece = data
            if self._max_size > 0:
                # Up to the line that makes it full, and at least one.
                end = data.find(b"\n", max(self._max_size - size - 1, 0)) + 1
                piece = data[:end] if end else data
            _write(self._fd, piece)
            done += len(piece)
            data = data[len(piece) :]
            if 0 < self._max_size <= size + len(piece):
                self._rotate(done)

    def _rotate(self, done: int) -> None:
        """Begin a new file; ``done`` bytes of the present block are in older ones then."""
        fresh = self._path.with_name(f".{self._path.name}.next")
        self._close_output()
        self._fd = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self._commit(replace(self._position, inode=os.fstat(self._fd).st_ino, size=0, done=done))
        self._shift()
        fresh.rename(self._path)

    def _finish_rotation(self) -> None:
        """Do what is left of a rotation that was cut short after it was committed."""
        fresh = self._path.with_name(f".{self._path.name}.next")
        try:
            committed = fresh.stat().st_ino == self._position.inode
        except FileNotFoundError:
            return
        if committed:
            self._shift()
            fresh.rename(self._path)
        else:
            fresh.unlink()

    def _shift(self) -> None:
        """Rename what there is to the next number, up to the first that is free; the oldest makes room."""
        self._await_compression()
        if not self._path.exists():
            return
        names = set(os.listdir(self._directory))
        free = 1
        while free < self._max_file and any(self._numbered(free, ending).name in names for ending in ("", ".gz")):
            free += 1
        for number in range(free - 1, 0, -1):
            for ending in ("", ".gz"):
                older = self._numbered(number, ending)
                if older.name not in names:
                    continue
                if number == self._max_file - 1:
                    older.unlink()
                else:
                    older.rename(self._numbered(number + 1, ending))
        if self._max_file > 1:
            self._path.rename(self._numbered(1, ""))
            if self._compress:
                words = (self._numbered(1, ""), self._numbered(1, ".gz"))
                self._compression = Thread(target=compress, args=words)
                self._compression.start()

    def _await_compression(self) -> None:
        if self._compression is not None:
            self._compression.join()
            self._compression = None

    def _numbered(self, number: int, ending: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}{ending}")

    def _in_place(self) -> bool:
        """Whether the name still means our file: not when somebody has removed it."""
        try:
            return self._fd >= 0 and self._path.stat().st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False

    def _reached(self) -> Position:
        status = os.fstat(self._fd)
        out, err = self._lines.halves
        # What is to be left out still lies ahead.
        size = status.st_size - self._skip
        return Position(self.source.number, self.source.offset, status.st_ino, size, 0, out, err)

    def _commit(self, position: Position) -> None:
        self._file.commit(position)
        self._position = position

    def _close_output(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
