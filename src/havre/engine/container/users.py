"""Who a container's process runs as: ``--user`` resolved in the container's own ``/etc/passwd`` and ``/etc/group``.

The files are read below the container's root without following any link out of it.
"""

import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from havre.errors import InvalidParameter
from havre.kernel import openat2
from havre.runtime.spec import User

_LARGEST = 8 << 20
_NUMBER = re.compile(r"[0-9]{1,19}")
# What a user may write for one, as Go reads it.
_WRITTEN = re.compile(r"[+-]?[0-9]{1,19}")
_LAST = 0x7FFFFFFF


def resolve(root: Path, text: str, groups: Sequence[str] = ()) -> User:
    """``user``, ``user:group``, ``uid``, ``uid:gid`` as numbers, with the supplementary groups of a user without group.

    ``groups`` are those of ``--group-add``. A number needs no entry; a name without one is ``InvalidParameter``.
    """
    wanted, _, wanted_group = text.partition(":")
    entry = _find(root, "etc/passwd", 4, wanted or "0")
    if entry is not None:
        uid, gid = int(entry[2]), int(entry[3])
    elif not wanted or _WRITTEN.fullmatch(wanted):
        uid, gid = int(wanted or 0), 0
    else:
        raise InvalidParameter(f"unable to find user {wanted}: no matching entries in passwd file")
    extra = [_group(root, name) for name in groups]
    if wanted_group:
        gid = _group(root, wanted_group)
    elif entry is not None:
        extra = [*_groups_of(root, entry[0]), *extra]
    if not all(0 <= number <= _LAST for number in (uid, gid, *extra)):
        raise InvalidParameter(f"uids and gids must be in range 0-{_LAST}")
    # The main group is among the others: else a process could leave it, and pass where it is denied (CVE-2022-36109).
    return User(uid, gid, tuple(dict.fromkeys((gid, *extra))))


def home(root: Path, uid: int) -> str:
    """The home directory of ``uid``, ``/`` when it has none."""
    number = str(uid)
    entry = next((row for row in _entries(root, "etc/passwd", 6, number) if row[2] == number), None)
    return (entry[5] if entry else "") or "/"


def _find(root: Path, path: str, least: int, wanted: str) -> list[str] | None:
    # A name wins over a number that happens to be another user's uid, as in Docker.
    by_number = None
    for row in _entries(root, path, least, wanted):
        if row[0] == wanted:
            return row
        if by_number is None and row[2] == wanted:
            by_number = row
    return by_number


def _group(root: Path, wanted: str) -> int:
    row = _find(root, "etc/group", 3, wanted)
    if row is not None:
        return int(row[2])
    if _WRITTEN.fullmatch(wanted):
        return int(wanted)
    raise InvalidParameter(f"unable to find group {wanted}: no matching entries in group file")


def _groups_of(root: Path, user: str) -> list[int]:
    return [int(row[2]) for row in _entries(root, "etc/group", 4, user) if user in row[3].split(",")]


def _entries(root: Path, path: str, least: int, word: str) -> Iterator[list[str]]:
    """Well-formed lines of a colon file that hold ``word``, numeric in field 2 (and 3 of passwd); none when the file is
    missing.
    """
    numeric = (2, 3) if path.endswith("passwd") else (2,)
    sought = word.encode(errors="surrogateescape")
    # Most lines of a long file are not even split: this runs at every start and exec, on the event loop.
    for line in io.BytesIO(_read(root, path)):
        if sought in line:
            fields = line.decode(errors="surrogateescape").strip().split(":")
            if len(fields) >= least and all(_NUMBER.fullmatch(fields[index]) for index in numeric):
                yield fields


def _read(root: Path, path: str) -> bytes:
    """The file at ``path``, empty when there is none; nothing but a regular file is opened."""
    try:
        directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2.open_in_root(directory, path, os.O_PATH | os.O_CLOEXEC)
        finally:
            os.close(directory)
    except OSError:
        return b""
    try:
        # A FIFO would hang the runtime, which reads the file too; a device node of the container's may be anything.
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidParameter(f"/{path} in the container is no regular file")
        with open(f"/proc/self/fd/{fd}", "rb") as file:
            return file.read(_LARGEST)
    finally:
        os.close(fd)
