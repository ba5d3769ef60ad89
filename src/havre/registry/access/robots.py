"""Robot accounts: a name, a random secret shown once and kept as its hash, and what it may do where.

They lie in ``robots.json`` under the registry's root; ``havre-registry robot`` changes it while the server runs. A
robot logs in as ``robot+NAME``.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from havre.errors import Conflict, InvalidParameter, NotFound
from havre.registry.access.rules import Grant, parse_grant

PREFIX = "robot+"
FILE = "robots.json"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
_WORDS = {"pull": "read", "push": "write", "delete": "delete", "admin": "admin"}


@dataclass(frozen=True, slots=True)
class Robot:
    """``hashed`` is SHA-256 of the secret (which is random and long: a slow hash would add nothing); ``expires`` is in
    seconds since 1970, 0 for never.
    """

    name: str
    hashed: str
    grant: Grant
    created: int
    expires: int = 0

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired."""
        return not self.expires or now < self.expires


Robots = Mapping[str, Robot]


def matches(robots: Robots, name: str, secret: str, now: float) -> bool:
    """Whether it is the secret of the robot ``name`` (without the prefix); one that is not there costs the same."""
    robot = robots.get(name)
    given = hashlib.sha256(secret.encode()).hexdigest()
    fits = hmac.compare_digest(given, robot.hashed if robot else _NOBODYS)
    return fits and robot is not None and robot.is_valid(now)


def fingerprint(robots: Robots, name: str, now: float) -> str | None:
    """A word that changes with the robot's secret; None when it is gone or expired."""
    robot = robots.get(name)
    return robot.hashed[:32] if robot is not None and robot.is_valid(now) else None


def create(robots: Robots, name: str, grant: Grant, now: float, lifetime: float = 0) -> tuple[Robots, str]:
    """The robots with a new one, and its secret. Conflict when there is one of that name."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(f"invalid robot name {name!r}: lower-case letters, digits and ._- only, 64 at most")
    if name in robots:
        raise Conflict(f"there is a robot {name!r} already: revoke it first")
    secret = f"hvr_{secrets.token_urlsafe(32)}"
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    robot = Robot(name, hashed, grant, int(now), int(now + lifetime) if lifetime else 0)
    return {**robots, name: robot}, secret


def revoke(robots: Robots, name: str) -> Robots:
    """The robots without that one. NotFound when there is none."""
    name = name.removeprefix(PREFIX)
    if name not in robots:
        raise NotFound(f"no such robot: {name}")
    return {key: robot for key, robot in robots.items() if key != name}


def parse(text: str, where: str) -> Robots:
    """The robots of a file. InvalidParameter when it is damaged."""
    try:
        entries = json.loads(text or "[]")
        robots = [
            Robot(
                str(entry["name"]),
                str(entry["sha256"]),
                parse_grant(entry["repositories"], entry["actions"], f"robot {entry['name']}"),
                int(entry["created"]),
                int(entry["expires"]),
            )
            for entry in entries
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidParameter(f"{where} is damaged: {error!r}") from error
    return {robot.name: robot for robot in robots}


def render(robots: Robots) -> str:
    """The file with these robots."""
    entries = [
        {
            "name": robot.name,
            "sha256": robot.hashed,
            "repositories": list(robot.grant.repositories),
            "actions": action_words(robot.grant),
            "created": robot.created,
            "expires": robot.expires,
        }
        for robot in robots.values()
    ]
    return json.dumps(entries, indent=2) + "\n"


def action_words(grant: Grant) -> list[str]:
    """Its actions in the words of rules: read, write, delete, admin."""
    return [word for action, word in _WORDS.items() if action in grant.actions]
