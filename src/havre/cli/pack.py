"""A local file or tree as a tar stream, for ``cp`` into a container. Links are packed as links, never followed."""

from __future__ import annotations

import os
import stat
import tarfile

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 262144
_CAPABILITY = "security.capability"


class Packer:
    """Packs the entry ``name`` of ``directory`` (``.`` for its content). ``rename`` maps every name; ``size`` counts
    the content of the regular files packed so far, in bytes.
    """

    def __init__(self, directory: str, name: str, rename: Callable[[str], str]) -> None:
        self._directory = directory
        self._name = name
        self._rename = rename
        self._links: dict[tuple[int, int], str] = {}
        self.size = 0

    def stream(self) -> Iterator[bytes]:
        """The archive, piece by piece. Raises CommandError for a file that cannot be read."""
        try:
            for path, entry in self._walk(os.path.join(self._directory, self._name), self._name):
                yield from self._entry(path, entry)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CommandError(f"open {error.filename}: {reason}") from error
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _walk(self, path: str, entry: str) -> Iterator[tuple[str, str]]:
        pending = [(path, entry)]
        while pending:
            path, entry = pending.pop()
            yield path, entry
            if stat.S_ISDIR(os.lstat(path).st_mode):
                names = sorted(os.listdir(path), reverse=True)
                pending.extend((os.path.join(path, name), f"{entry}/{name}") for name in names)

    def _entry(self, path: str, entry: str) -> Iterator[bytes]:
        found = os.lstat(path)
        if stat.S_ISSOCK(found.st_mode):
            return
        info = self._header(path, self._rename(entry), found)
        if not info.isreg():
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            return
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            yield from self._content(file, info.size, path)
        self.size += info.size

    def _content(self, file: object, size: int, path: str) -> Iterator[bytes]:
        """Exactly ``size`` bytes and the padding: a file that grows is cut, one that shrinks would break the
        archive.
        """
        left = size
        while left:
            data = file.read(min(left, _PIECE))  # type: ignore[attr-defined]
            if not data:
                raise CommandError(f"{path}: the file became shorter while it was read")
            left -= len(data)
            yield data
        if rest := size % tarfile.BLOCKSIZE:
            yield bytes(tarfile.BLOCKSIZE - rest)

    def _header(self, path: str, name: str, found: os.stat_result) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(found.st_mode)
        info.uid, info.gid = found.st_uid, found.st_gid
        info.mtime = int(found.st_mtime)
        if stat.S_ISDIR(found.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(found.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.readlink(path)
        elif stat.S_ISFIFO(found.st_mode):
            info.type = tarfile.FIFOTYPE
        elif stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            info.type = tarfile.CHRTYPE if stat.S_ISCHR(found.st_mode) else tarfile.BLKTYPE
            info.devmajor, info.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
        else:
            self._regular(info, path, found)
        return info

    def _regular(self, info: tarfile.TarInfo, path: str, found: os.stat_result) -> None:
        inode = (found.st_dev, found.st_ino)
        if found.st_nlink > 1 and inode in self._links:
            info.type = tarfile.LNKTYPE
            info.linkname = self._links[inode]
            return
        self._links[inode] = info.name
        info.size = found.st_size
        try:
            value = os.getxattr(path, _CAPABILITY, follow_symlinks=False)
        except OSError:
            return
        info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": value.decode("utf-8", "surrogateescape")}


def content_size(path: str) -> int:
    """The bytes of the regular files at or under ``path``."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            entry = os.lstat(os.path.join(directory, name))
            total += entry.st_size if stat.S_ISREG(entry.st_mode) else 0
    return total
