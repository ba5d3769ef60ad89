"""Whether a password is a user's: bcrypt beside the event loop, once a pair, and as dear for users who do not exist."""

import asyncio
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from havre.errors import Unavailable
from havre.lib.tasks import TaskOwner

# bcrypt reads no further; htpasswd(1) cuts longer ones, so what it wrote must be compared cut.
LONGEST = 72
_REMEMBERED = 1_000
_MOST_WAITING = 64
# For a file without users: a salt and a digest of nothing but zeros, for which no password is known.
_NOBODYS = b"$2b$10$" + b"." * 53


class PasswordCheck:
    """Checks pairs against the hashes ``users`` gives at that moment; right ones are remembered by a keyed digest
    that the hash is part of, so a changed password is asked for at once.
    """

    def __init__(self, users: Callable[[], Mapping[str, bytes]], threads: int = 2) -> None:
        self._users = users
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="havre-bcrypt")
        self._tasks = TaskOwner("passwords")

    async def matches(self, name: str, password: str) -> bool:
        """Whether there is the user and it is the password. Unavailable when too many wait for the answer already."""
        users = self._users()
        stored = users.get(name)
        hashed = stored if stored is not None else self._decoy(name, users)
        secret = password.encode()
        pair = self._digest(name.encode(), secret, hashed)
        if pair in self._right:
            self._right.move_to_end(pair)
            return stored is not None
        if (task := self._running.get(pair)) is None:
            if len(self._running) >= _MOST_WAITING:
                raise Unavailable("too many logins at once: try again later")
            task = self._running[pair] = self._tasks.start(self._check(pair, secret, hashed), "check of a password")
        fits = await asyncio.shield(task)
        return fits and stored is not None

    def fingerprint(self, name: str) -> str | None:
        """A word that changes with the user's password; None when there is no such user."""
        hashed = self._users().get(name)
        return None if hashed is None else fingerprint(hashed)

    async def close(self) -> None:
        """Let go of the threads."""
        await self._tasks.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _check(self, pair: bytes, secret: bytes, hashed: bytes) -> bool:
        try:
            fits = await asyncio.get_running_loop().run_in_executor(self._pool, fits_hash, secret, hashed)
            if fits:
                self._right[pair] = None
                while len(self._right) > _REMEMBERED:
                    self._right.popitem(last=False)
            return fits
        finally:
            del self._running[pair]

    def _decoy(self, name: str, users: Mapping[str, bytes]) -> bytes:
        # One of the real hashes, always the same for a name: so the costs, where they differ, tell nothing either.
        if not users:
            return _NOBODYS
        return list(users.values())[int.from_bytes(self._digest(name.encode())[:8], "big") % len(users)]

    def _digest(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, framed, "sha256")


def fits_hash(secret: bytes, hashed: bytes) -> bool:
    """One run of bcrypt, in constant time for one cost. A NUL ends a password for other readers of these files, so
    one with it in it never fits.
    """
    return bcrypt.checkpw(secret.replace(b"\0", b"\xff")[:LONGEST], hashed) and b"\0" not in secret


def hash_password(password: str, cost: int = 10) -> bytes:
    """A new hash, as ``htpasswd -B`` marks it (``$2y$``). ValueError for a password bcrypt cannot take whole."""
    secret = password.encode()
    if not secret or len(secret) > LONGEST or b"\0" in secret:
        raise ValueError(f"a password has 1 to {LONGEST} bytes, and no NUL among them")
    return b"$2y$" + bcrypt.hashpw(secret, bcrypt.gensalt(cost)).removeprefix(b"$2b$")


def fingerprint(hashed: bytes) -> str:
    """What refresh tokens remember of the password they were given for."""
    return hmac.digest(b"havre-registry fingerprint", hashed, "sha256").hex()[:32]
