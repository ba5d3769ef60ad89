"""Unpacking a tar stream from a container into a local directory, for ``cp``.

The stream is hostile: a container may have written it. No entry is written outside the directory: a name's parts are
opened one by one, each without following a link (an archive may make a link and then write through it), ``..`` and
absolute names are refused, hard links are made only to what lies inside. Owners stay the calling user's; devices are
refused.
"""

from __future__ import annotations

import os
import stat
import tarfile

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 262144
_LONGEST_HEADER = 1024 * 1024
_EXTENSIONS = (b"x", b"g", b"X", tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# Set-user-id bits were given for the container's users and would act for ours.
_FILE_BITS = 0o777
_DIRECTORY_BITS = 0o1777
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _BoundedInfo(tarfile.TarInfo):
    """Extension headers are read into memory; a hostile one says it has gigabytes."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError("an extension header is too long")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("sparse entries are not supported")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member


class _Reader:
    """The pieces of a stream as a file to read from; ``count`` is what has been read, in bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()
        self.count = 0

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._buffer += piece
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self.count += len(data)
        return data


class Unpacker:
    """Unpacks into ``directory`` what the archive has at and under ``wanted`` (``.`` and ``/``: anything); ``rename``
    maps every name (and hard link) of the archive to one relative to the directory.
    """

    def __init__(self, directory: str, wanted: str, rename: Callable[[str], str]) -> None:
        self._directory = directory
        self._wanted = "" if wanted in (".", "/") else wanted
        self._rename = rename
        self._times: list[tuple[list[str], int, int]] = []

    def unpack(self, pieces: Iterator[bytes]) -> int:
        """Unpack the whole stream → its length in bytes. Raises CommandError for what is refused or cannot be
        written.
        """
        reader = _Reader(pieces)
        root = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with tarfile.open(fileobj=reader, mode="r|", tarinfo=_BoundedInfo) as archive:  # type: ignore[call-overload]
                for member in archive:
                    # What has been read is not needed again; the list would grow with the archive.
                    archive.members = []
                    self._member(root, archive, member)
            while reader.read(_PIECE):
                pass
            self._finish_directories(root)
        except (tarfile.TarError, ValueError) as error:
            raise CommandError(f"invalid tar stream from the container: {error}") from error
        except OSError as error:
            raise CommandError(
                f"{error.filename or self._directory}: {(error.strerror or str(error)).lower()}"
            ) from error
        finally:
            os.close(root)
        return reader.count

    def _member(self, root: int, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = self._parts(member.name)
        if not parts:
            if member.isdir():
                return
            raise CommandError(f"invalid entry in the container's archive: {member.name!r}")
        parent = self._open_parent(root, parts)
        try:
            self._make_room(parent, parts, member)
            self._create(root, parent, parts, archive, member)
        finally:
            os.close(parent)

    def _parts(self, name: str) -> list[str]:
        renamed = self._rename(name)
        parts = _split(renamed)
        if ".." in parts or "\0" in renamed:
            raise CommandError(f"refusing to write outside {self._directory}: {name!r} is in the container's archive")
        if self._wanted and _split(name)[:1] != [self._wanted]:
            raise CommandError(f"refusing to write {name!r}: it is in the container's archive, but was not asked for")
        return parts

    def _open_parent(self, root: int, parts: list[str]) -> int:
        """A descriptor of the directory that is to hold the entry; missing directories are made."""
        current = os.dup(root)
        for depth, part in enumerate(parts[:-1], 1):
            try:
                try:
                    following = os.open(part, _DIRECTORY, dir_fd=current)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=current)
                    following = os.open(part, _DIRECTORY, dir_fd=current)
            except NotADirectoryError:
                raise CommandError(
                    f"refusing to write through {self._shown(parts[:depth])}: it is a link or no directory"
                ) from None
            finally:
                os.close(current)
            current = following
        return current

    def _shown(self, parts: list[str]) -> str:
        return os.path.join(self._directory, *parts)

    def _make_room(self, parent: int, parts: list[str], member: tarfile.TarInfo) -> None:
        """Take away what is in the way, except that a directory and something else never replace each other."""
        try:
            there = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        path = self._shown(parts)
        if stat.S_ISDIR(there.st_mode) and not member.isdir():
            raise CommandError(f'cannot overwrite directory "{path}" with non-directory "{self._directory}"')
        if not stat.S_ISDIR(there.st_mode):
            if member.isdir():
                raise CommandError(f'cannot overwrite non-directory "{path}" with directory "{self._directory}"')
            os.unlink(parts[-1], dir_fd=parent)

    def _create(
        self, root: int, parent: int, parts: list[str], archive: tarfile.TarFile, member: tarfile.TarInfo
    ) -> None:
        name = parts[-1]
        if member.isdir():
            self._directory_entry(parent, parts, member)
        elif member.isreg():
            self._file(parent, name, archive, member)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
            _set_times(parent, name, member)
        elif member.islnk():
            self._hard_link(root, parent, name, member)
        elif member.isfifo():
            os.mkfifo(name, member.mode & _FILE_BITS, dir_fd=parent)
        else:
            raise CommandError(f"refusing to make a device from the container's archive: {self._shown(parts)}")

    def _directory_entry(self, parent: int, parts: list[str], member: tarfile.TarInfo) -> None:
        try:
            # Writable for us until its content is there; ``_finish_directories`` sets the real mode.
            os.mkdir(parts[-1], 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        self._times.append((parts, member.mode & _DIRECTORY_BITS, _nanoseconds(member)))

    def _file(self, parent: int, name: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        content = archive.extractfile(member)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=parent), "wb", buffering=0) as file:
            while content is not None and (data := content.read(_PIECE)):
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            os.fchmod(file.fileno(), member.mode & _FILE_BITS)
        _set_times(parent, name, member)

    def _hard_link(self, root: int, parent: int, name: str, member: tarfile.TarInfo) -> None:
        target = self._parts(member.linkname)
        if not target:
            raise CommandError(f"invalid hard link in the container's archive: {member.linkname!r}")
        directory = self._open_parent(root, target)
        try:
            os.link(target[-1], name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(directory)

    def _finish_directories(self, root: int) -> None:
        """Modes and times of directories, the deepest first: writing into one changes its time, and may need
        its mode.
        """
        for parts, mode, nanoseconds in sorted(self._times, key=lambda entry: len(entry[0]), reverse=True):
            parent = self._open_parent(root, parts)
            try:
                directory = os.open(parts[-1], _DIRECTORY, dir_fd=parent)
                try:
                    os.fchmod(directory, mode)
                    os.utime(directory, ns=(nanoseconds, nanoseconds))
                finally:
                    os.close(directory)
            finally:
                os.close(parent)


def _split(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def _nanoseconds(member: tarfile.TarInfo) -> int:
    return int(member.mtime * 10**9)


def _set_times(parent: int, name: str, member: tarfile.TarInfo) -> None:
    moment = _nanoseconds(member)
    os.utime(name, ns=(moment, moment), dir_fd=parent, follow_symlinks=False)
