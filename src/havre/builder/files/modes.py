"""``--chmod`` and ``--chown``: modes as numbers or in chmod's words, owners by name or number."""

import os
import re
import stat
from collections.abc import Callable

from havre.errors import InvalidParameter
from havre.kernel.openat2 import open_in_root

Change = Callable[[int], int]
"""From a file's whole ``st_mode`` to its new permission bits."""

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_LARGEST = 1 << 20  # of /etc/passwd and /etc/group


def parse_mode(text: str) -> Change:
    """What ``--chmod=text`` does. Raises ``InvalidParameter``."""
    if re.fullmatch("[0-7]{1,5}", text) and int(text, 8) <= 0o7777:
        fixed = int(text, 8)
        return lambda mode: fixed
    clauses = [_CLAUSE.fullmatch(part) for part in text.split(",")]
    if not text or not all(clauses):
        raise InvalidParameter(
            f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777, or like u=rwX,go=rX"
        )
    found = [clause for clause in clauses if clause is not None]

    def change(mode: int) -> int:
        for clause in found:
            mode = _changed(mode, clause[1] or "a", clause[2])
        return stat.S_IMODE(mode)

    return change


def _changed(mode: int, who: str, actions: str) -> int:
    mask = 0
    for one in who:
        mask |= _WHO[one]
    for operator, letters in _ACTION.findall(actions):
        bits = _bits(mode, letters) & mask
        if operator == "+":
            mode |= bits
        elif operator == "-":
            mode &= ~bits
        else:
            kept = ~mask & 0o7777
            mode = (mode & ~0o7777) | (mode & kept) | bits
    return mode


def _bits(mode: int, letters: str) -> int:
    """The bits of ``letters``, for everybody."""
    bits = 0
    for letter in letters:
        if letter in _BITS:
            bits |= _BITS[letter]
        elif letter == "X" and (stat.S_ISDIR(mode) or mode & 0o111):
            bits |= 0o111
        elif letter == "s":
            bits |= 0o6000
        elif letter == "t":
            bits |= 0o1000
        elif letter in "ugo":
            shift = {"u": 6, "g": 3, "o": 0}[letter]
            three = mode >> shift & 7
            bits |= three << 6 | three << 3 | three
    return bits


def parse_owner(text: str, root: int) -> tuple[int, int]:
    """``--chown=user:group`` as numbers, names looked up in the files of the tree ``root``.

    A user without a group has the group of the same number. Raises ``InvalidParameter``.
    """
    user, colon, group = text.partition(":")
    uid = _number(user, "etc/passwd", root, "user") if user else 0
    if colon and group:
        return uid, _number(group, "etc/group", root, "group")
    return uid, uid


def _number(word: str, path: str, root: int, kind: str) -> int:
    if word.isdecimal():
        if int(word) >= (1 << 32) - 1:
            raise InvalidParameter(f"invalid {kind} index: {word}")
        return int(word)
    for line in _lines(root, path):
        fields = line.split(":")
        if fields[0] == word and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2])
    raise InvalidParameter(f"unable to convert uid/gid chown string to host mapping: can't find {kind} for {word}")


def _lines(root: int, path: str) -> list[str]:
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return []
        return file.read(_LARGEST).decode("utf-8", "replace").splitlines()
