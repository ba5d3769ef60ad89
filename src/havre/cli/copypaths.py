"""The path rules of ``cp``: what a trailing slash or ``/.`` asks for, what is renamed on its way, which copies are
refused.

They are Docker's, on both ends: the same decision (``plan``) is made for a copy into a container and out of one.
"""

from __future__ import annotations

import os
import posixpath
import stat

from havre.cli.errors import CommandError

_MOST_LINKS = 10


class Place:
    """One end of a copy. ``rename`` is the name the source was asked by, where following a link has changed it."""

    __slots__ = ("exists", "is_dir", "path", "rename")

    def __init__(self, path: str, exists: bool = False, is_dir: bool = False, rename: str = "") -> None:
        self.path = path
        self.exists = exists
        self.is_dir = is_dir
        self.rename = rename


class Plan:
    """Unpack into ``directory``, with the leading name ``old`` of every entry replaced by ``new`` (both "" for
    no change).
    """

    __slots__ = ("directory", "new", "old")

    def __init__(self, directory: str, old: str = "", new: str = "") -> None:
        self.directory = directory
        self.old = old
        self.new = new

    def name(self, entry: str) -> str:
        """The entry's name at the destination."""
        return rebase(entry, self.old, self.new) if self.new else entry


def rebase(entry: str, old: str, new: str) -> str:
    """Replace the leading part ``old`` of an archive's name."""
    if old == "/":
        return f"{new}/{entry.lstrip('/')}".rstrip("/")
    if entry == old or entry.startswith(f"{old}/"):
        return new + entry[len(old) :]
    return entry


def split_argument(text: str) -> tuple[str, str]:
    """(container, path) of one argument; the container is "" for a local path. ``./a:b`` and ``/a:b`` are local."""
    container, colon, path = text.partition(":")
    if text.startswith("/") or not colon or container.startswith("."):
        return "", text
    return container, path


def base(path: str) -> str:
    """The last part, as Go's filepath.Base: trailing slashes do not count, nothing is ``.``."""
    if not path:
        return "."
    stripped = path.rstrip("/")
    return posixpath.basename(stripped) if stripped else "/"


def names_directory_itself(path: str) -> bool:
    """``x/.``: the directory's content, not the directory."""
    return base(path) == "."


def asserts_directory(path: str) -> bool:
    """Whether the path says by its form that it is a directory."""
    return path.endswith("/") or names_directory_itself(path)


def split_entry(path: str) -> tuple[str, str]:
    """(directory, name); ``x/.`` splits into ``x`` and ``.``."""
    clean = posixpath.normpath(path)
    if clean.startswith("//"):
        clean = clean[1:]
    if names_directory_itself(path):
        clean = "/." if clean == "/" else f"{clean}/."
    return posixpath.dirname(clean) or ("/" if clean.startswith("/") else "."), base(clean)


def absolute(path: str) -> str:
    """The absolute form with a trailing slash or ``/.`` kept, since they mean something."""
    clean = os.path.abspath(path)
    if names_directory_itself(path) and not names_directory_itself(clean):
        return clean.rstrip("/") + "/."
    return f"{clean}/" if path.endswith("/") and not clean.endswith("/") else clean


def rename_for(path: str, resolved: str) -> tuple[str, str]:
    """A source whose link was followed: (resolved with the form of ``path``, the name to keep or "")."""
    if names_directory_itself(path) and not names_directory_itself(resolved):
        resolved += "/."
    if path.endswith("/") and not resolved.endswith("/"):
        resolved += "/"
    return resolved, base(path) if base(path) != base(resolved) else ""


def join_link(path: str, target: str) -> str:
    """Where a link at ``path`` points to."""
    return target if target.startswith("/") else posixpath.normpath(posixpath.join(split_entry(path)[0], target))


def local_source(path: str, follow: bool) -> Place:
    """The local source; its parent's links are followed in any case. Raises CommandError where it is not there."""
    try:
        if follow:
            resolved, rename = rename_for(path, os.path.realpath(path, strict=True))
        else:
            head, tail = path.rpartition("/")[0], path.rpartition("/")[2]
            resolved = f"{os.path.realpath(head or '/', strict=True).rstrip('/')}/{tail}"
            rename = base(path) if path.endswith("/") and base(path) != base(resolved) else ""
        found = os.lstat(resolved)
    except NotADirectoryError:
        raise CommandError("not a directory") from None
    except OSError as error:
        raise CommandError(f"lstat {error.filename or path}: {(error.strerror or '').lower()}") from error
    return Place(resolved, True, stat.S_ISDIR(found.st_mode), rename)


def local_destination(path: str) -> Place:
    """The local destination with its links followed; it need not exist, its parent must."""
    asked = path
    for _ in range(_MOST_LINKS + 1):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            parent = split_entry(path)[0]
            if not os.path.exists(parent):
                raise CommandError(f"stat {parent}: no such file or directory") from None
            if not os.path.isdir(parent):
                raise CommandError("not a directory") from None
            return Place(path)
        except OSError as error:
            raise CommandError(f"lstat {path}: {(error.strerror or '').lower()}") from error
        if not stat.S_ISLNK(found.st_mode):
            return Place(path, True, stat.S_ISDIR(found.st_mode))
        path = join_link(path, os.readlink(path))
    raise CommandError(f"too many symlinks in {asked}")


def check_output(path: str) -> None:
    """Refuse a local destination that cannot be one, before anything is fetched."""
    parent = os.path.dirname(os.path.normpath(path))
    if parent and not os.path.exists(parent):
        raise CommandError(f'invalid output path: directory "{parent}" does not exist')
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CommandError(f"stat {path}: {(error.strerror or '').lower()}") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        kind = "device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "special file"
        raise CommandError(f'invalid output path: "{path}" must be a directory or a regular file: got a {kind}')


def plan(source: Place, destination: Place) -> Plan:
    """Where to unpack, and under which name. Raises CommandError for a copy that makes no sense."""
    directory, new = split_entry(destination.path)
    old = source.rename or split_entry(source.path)[1]
    if destination.exists and destination.is_dir:
        return Plan(destination.path)
    if destination.exists and source.is_dir:
        raise CommandError("cannot copy directory")
    if not destination.exists and not source.is_dir and asserts_directory(destination.path):
        raise CommandError("no such directory")
    return Plan(directory, old, new)
