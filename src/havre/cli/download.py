"""Writing a body the daemon streams (an archive) to a file or to standard output."""

from __future__ import annotations

import os
import stat

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from havre.cli.context import Context
    from havre.client.response import Response


def write(ctx: Context, path: str, what: str, ask: Callable[[], Response]) -> None:
    """Ask the daemon and copy its answer to ``path``, or to standard output for "".

    The file appears under its name only when it is whole, and only its owner may read it: images can hold secrets.
    ``what`` begins the text of an error about the path.
    """
    if not path:
        out = ctx.out.buffer
        for piece in ask().iter_chunks():
            out.write(piece)
        out.flush()
        return
    _check(path, what)
    temporary = os.path.join(os.path.dirname(path) or ".", f".{os.path.basename(path)}.{os.getpid()}.tmp")
    answer = ask()
    try:
        with answer, open(temporary, "wb", opener=_private) as file:
            for piece in answer.iter_chunks():
                file.write(piece)
        os.replace(temporary, path)
    except OSError as error:
        raise CommandError(f"{what}: {error}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _check(path: str, what: str) -> None:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise CommandError(f"{what}: invalid output path: stat {folder}: no such file or directory")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    for kind, name in ((stat.S_ISDIR, "directory"), (stat.S_ISCHR, "character device file"), (stat.S_ISBLK, "device")):
        if kind(mode):
            raise CommandError(f"{what}: cannot write to a {name}")
