"""Object ids as Docker makes them: 64 lower-case hex digits, shown as the first 12."""

import os

_HEX = frozenset("0123456789abcdef")


def new_id() -> str:
    """A random id of 64 hex digits. Its short form is never a plain number, which other programs could take for one."""
    while True:
        identifier = os.urandom(32).hex()
        if not identifier[:12].isdecimal():
            return identifier


def short(identifier: str) -> str:
    """The 12 digits people see; an algorithm prefix such as ``sha256:`` is left out."""
    return identifier.rpartition(":")[2][:12]


def is_id_prefix(text: str) -> bool:
    """Whether ``text`` could be an id or the beginning of one: 1 to 64 lower-case hex digits."""
    return 0 < len(text) <= 64 and _HEX.issuperset(text)
