"""Who a container's process runs as: ``--user`` resolved in the container's own ``/etc/passwd`` and ``/etc/group``.

The files are read below the container's root without following any link out of it.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from havre.errors import InvalidParameter
from havre.kernel import openat2
from havre.runtime.spec import User

_LARGEST = 8 << 20


def resolve(root: Path, text: str, groups: Sequence[str] = ()) -> User:
    """``user``, ``user:group``, ``uid``, ``uid:gid`` as numbers, with the supplementary groups of a named user.

    ``groups`` are those of ``--group-add``. A number needs no entry; a name without one is ``InvalidParameter``.
    """
    wanted, _, wanted_group = text.partition(":")
    passwd = list(_entries(root, "etc/passwd", 4))
    group = list(_entries(root, "etc/group", 3)) if wanted or wanted_group or groups else []
    entry = _find(passwd, wanted or "0")
    if entry is not None:
        uid, gid = int(entry[2]), int(entry[3])
    elif not wanted or wanted.isdecimal():
        uid, gid = int(wanted or 0), 0
    else:
        raise InvalidParameter(f"unable to find user {wanted}: no matching entries in passwd file")
    extra = [_group(group, name) for name in groups]
    if wanted_group:
        gid = _group(group, wanted_group)
    elif entry is not None:
        extra = [int(row[2]) for row in group if len(row) > 3 and entry[0] in row[3].split(",")] + extra
    if uid > 0x7FFFFFFF or gid > 0x7FFFFFFF:
        raise InvalidParameter("uids and gids must be in range 0-2147483647")
    return User(uid, gid, tuple(dict.fromkeys(extra)))


def home(root: Path, uid: int) -> str:
    """The home directory of ``uid``, ``/`` when it has none."""
    entry = next((row for row in _entries(root, "etc/passwd", 6) if row[2] == str(uid)), None)
    return (entry[5] if entry else "") or "/"


def _find(rows: list[list[str]], wanted: str) -> list[str] | None:
    # A name wins over a number that happens to be another user's uid, as in Docker.
    by_name = next((row for row in rows if row[0] == wanted), None)
    return by_name or next((row for row in rows if row[2] == wanted), None)


def _group(rows: list[list[str]], wanted: str) -> int:
    row = _find(rows, wanted)
    if row is not None:
        return int(row[2])
    if wanted.isdecimal():
        return int(wanted)
    raise InvalidParameter(f"unable to find group {wanted}: no matching entries in group file")


def _entries(root: Path, path: str, least: int) -> Iterator[list[str]]:
    """Well-formed lines of a colon file, numeric in field 2; none when the file is missing."""
    try:
        directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2.open_in_root(directory, path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(directory)
    except OSError:
        return
    with os.fdopen(fd, "rb") as file:
        text = file.read(_LARGEST).decode(errors="surrogateescape")
    for line in text.splitlines():
        fields = line.strip().split(":")
        numeric = (2, 3) if least > 3 else (2,)
        if len(fields) >= least and all(fields[index].isdecimal() for index in numeric):
            yield fields
