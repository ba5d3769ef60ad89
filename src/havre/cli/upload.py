"""Archives that go to the daemon: from a file or from standard input, in pieces."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PIECE = 256 * 1024


def open_file(path: str) -> BinaryIO:
    """The file to send. Raises CommandError with Go's text."""
    try:
        return open(path, "rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"open {path}: {reason}") from error


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of ``file``."""
    while piece := file.read(_PIECE):
        yield piece
