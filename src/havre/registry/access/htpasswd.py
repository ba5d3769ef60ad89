"""Users and their passwords' hashes, in the file that ``htpasswd -B`` of Apache writes: ``name:$2y$…``, one a line."""

import re
from collections.abc import Mapping

from havre.errors import InvalidParameter

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_OTHERS = {"$apr1$": "MD5", "$1$": "MD5", "{SHA}": "SHA-1", "$5$": "SHA-256", "$6$": "SHA-512", "$argon2": "Argon2"}
# One more doubles the work: at 16, a login takes 5 s.
_DEAREST = 16
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


def parse(text: str, where: str) -> Mapping[str, bytes]:
    """The hash of each user. InvalidParameter names the line that is no bcrypt hash or names a user twice."""
    users: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon or not name:
            raise InvalidParameter(f"{where}, line {number}: not of the form name:hash")
        if name in users:
            raise InvalidParameter(f"{where}, line {number}: user {name!r} is there twice")
        check_hash(hashed, f"{where}, line {number}", name)
        users[name] = hashed.encode()
    return users


def check_hash(hashed: str, where: str, name: str) -> None:
    """InvalidParameter unless ``hashed`` is bcrypt's, and not dearer to check than a server can bear."""
    if (match := _BCRYPT.fullmatch(hashed)) is None:
        kind = next((kind for start, kind in _OTHERS.items() if hashed.startswith(start)), "something else")
        raise InvalidParameter(f"{where}: the hash of {name!r} is {kind}, not bcrypt: write it with htpasswd -B")
    if not 4 <= int(match[1]) <= _DEAREST:
        raise InvalidParameter(f"{where}: the cost of the hash of {name!r} is {match[1]}; 4 to {_DEAREST} can be used")


def check_user_name(name: str) -> None:
    """InvalidParameter for a name a new user cannot have (robots' names have a plus sign in them)."""
    if not USER_NAME.fullmatch(name):
        raise InvalidParameter(f"invalid user name {name!r}: letters, digits and ._@- only, 128 at most")


def render(users: Mapping[str, bytes]) -> str:
    """The file with these users."""
    return "".join(f"{name}:{hashed.decode()}\n" for name, hashed in users.items())
