"""A directory as a build context: what of it counts, listed, and the content that the daemon asks for as an archive.

The daemon keeps the last context of each directory, so only what changed is sent.
"""

from __future__ import annotations

import os
import stat

from havre.cli.errors import CommandError
from havre.errors import HavreError
from havre.lib.tarheaders import REGULAR, Entry, padding
from havre.lib.tarwriting import END, header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    File = tuple[str, os.stat_result, str]

_PIECE = 256 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CAPABILITY = "security.capability"


def ignored(directory: str, dockerfile: str) -> list[str]:
    """The patterns of ``.dockerignore``; ``<Dockerfile>.dockerignore`` beside the Dockerfile comes before it."""
    from havre.lib.dockerignore import MAX_BYTES, patterns_of

    for path in (f"{dockerfile}.dockerignore" if dockerfile else "", os.path.join(directory, ".dockerignore")):
        if not path:
            continue
        try:
            with open(path, "rb") as file:
                return patterns_of(file.read(MAX_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(error) from error
    return []


def key_of(directory: str, name: str) -> str:
    """What the daemon knows the directory by, here and from other machines."""
    from hashlib import sha256

    text = "\0".join((os.uname().nodename, str(os.getuid()), os.path.realpath(directory), name))
    return sha256(os.fsencode(text)).hexdigest()


class LocalContext:
    """The files of ``directory`` that the patterns ``ignored`` do not leave out. Sockets are left out, as in Docker."""

    def __init__(self, directory: str, ignored: list[str]) -> None:
        from havre.lib.dockerignore import Ignore

        self._directory = directory
        try:
            self._ignore = Ignore(ignored)
        except HavreError as error:
            raise CommandError(f"failed to parse .dockerignore: {error}") from error
        try:
            self.files: Sequence[File] = list(self._below("", False))
        except OSError as error:
            raise _unreadable(error) from error

    def lines(self) -> Iterator[bytes]:
        """The list of files, a JSON array each: path, mode, size, time, link."""
        from havre.client.jsontext import dumps

        for path, found, link in self.files:
            size = found.st_size if stat.S_ISREG(found.st_mode) else 0
            entry = [_text(path), found.st_mode, size, found.st_mtime_ns, _text(link)]
            yield dumps(entry).encode() + b"\n"

    def archive(self, wanted: Iterable[int], told: Callable[[int], None]) -> Iterator[bytes]:
        """The files of these numbers as they are now. ``told`` gets the bytes of each piece."""
        try:
            for number in wanted:
                for piece in self._entry(self.files[number][0]):
                    told(len(piece))
                    yield piece
        except OSError as error:
            raise _unreadable(error) from error
        yield END

    def _below(self, prefix: str, skipped: bool) -> Iterator[File]:
        """``skipped``: the directory itself is left out, but something in it may not be."""
        with os.scandir(os.path.join(self._directory, prefix)) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
        for entry in names:
            path = prefix + entry.name
            out = bool(self._ignore) and self._ignore.leaves_out(path)
            if not entry.is_dir(follow_symlinks=False):
                if not out:
                    yield from self._file(path, entry)
            elif not out:
                yield path, entry.stat(follow_symlinks=False), ""
                yield from self._below(f"{path}/", False)
            elif not self._ignore.may_skip(path):
                inside = list(self._below(f"{path}/", True))
                if inside:
                    yield path, entry.stat(follow_symlinks=False), ""
                    yield from inside

    def _file(self, path: str, entry: os.DirEntry[str]) -> Iterator[File]:
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISSOCK(found.st_mode):
            return
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            raise CommandError(f"cannot send the device {path} of the build context: leave it out in .dockerignore")
        yield path, found, os.readlink(entry.path) if stat.S_ISLNK(found.st_mode) else ""

    def _entry(self, path: str) -> Iterator[bytes]:
        with open(os.open(os.path.join(self._directory, path), _OPEN), "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CommandError(f"{path}: the file was replaced while the build context was read")
            entry = Entry(
                os.fsencode(path), REGULAR, stat.S_IMODE(found.st_mode), 0, 0, found.st_size, found.st_mtime_ns
            )
            try:
                entry.xattrs = {_CAPABILITY: os.getxattr(file.fileno(), _CAPABILITY)}
            except OSError:
                entry.xattrs = None
            yield header(entry)
            left = found.st_size
            while left:
                data = file.read(min(left, _PIECE))
                if not data:
                    raise CommandError(f"{path}: the file became shorter while it was read")
                left -= len(data)
                yield data
            yield bytes(padding(found.st_size))


def _text(name: str) -> str:
    # JSON has no bytes: a character for each.
    return os.fsencode(name).decode("latin-1")


def _unreadable(error: OSError) -> CommandError:
    reason = (error.strerror or str(error)).lower()
    return CommandError(f"error reading the build context: open {error.filename}: {reason}")
