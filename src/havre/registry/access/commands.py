"""``havre-registry user`` and ``robot``: accounts, changed in their files while a registry runs or not.

Each command returns what the program is to print.
"""

import argparse
import contextlib
import fcntl
import getpass
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from havre.errors import InvalidParameter, NotFound
from havre.registry.access import htpasswd, robots
from havre.registry.access.robots import Robot
from havre.registry.access.rules import parse_grant
from havre.registry.layout import ROOT
from havre.store.files import write_atomic

T = TypeVar("T")
_DAYS = re.compile(r"(\d{1,5})([dh])")
_HTPASSWD = ROOT / "htpasswd"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both to the program's commands; each sets ``run``."""
    _add_user(commands)
    _add_robot(commands)


def _add_user(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    user = commands.add_parser("user", help="add, remove or list users", description="Change the file of --htpasswd")
    verbs = user.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    add = verbs.add_parser(
        "add", help="add a user, or set another password", description="Add a user, or set another password"
    )
    add.add_argument("name")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    add.set_defaults(run=_user_add)
    remove = verbs.add_parser("rm", help="remove a user", description="Remove a user: what they hold ends at once")
    remove.add_argument("name")
    remove.set_defaults(run=_user_remove)
    show = verbs.add_parser("ls", help="list users", description="List users")
    show.set_defaults(run=_user_list)
    for verb in (add, remove, show):
        verb.add_argument("--htpasswd", type=Path, default=_HTPASSWD, metavar="FILE", help=f"default {_HTPASSWD}")


def _add_robot(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    robot = commands.add_parser("robot", help="make, revoke or list robot accounts", description="Accounts of programs")
    verbs = robot.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    create = verbs.add_parser(
        "create",
        help="make a robot account and print its secret, once",
        description=f"Make a robot account and print its secret, once. It logs in as {robots.PREFIX}NAME.",
    )
    create.add_argument("name")
    create.add_argument(
        "--repository",
        action="append",
        required=True,
        metavar="PATTERN",
        help="where it may: * stops at /, ** does not",
    )
    create.add_argument(
        "--action", action="append", metavar="ACTION", help="read, write, delete or admin; repeatable (default read)"
    )
    create.add_argument("--expires", default="", metavar="TIME", help="when it ends, as in 90d or 12h (default never)")
    create.set_defaults(run=_robot_create)
    revoke = verbs.add_parser("revoke", help="end a robot account", description="End a robot account, at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_robot_revoke)
    show = verbs.add_parser("list", aliases=["ls"], help="list robot accounts", description="List robot accounts")
    show.set_defaults(run=_robot_list)
    for verb in (create, revoke, show):
        verb.add_argument(
            "--root", type=Path, default=ROOT, metavar="DIR", help=f"the registry's root (default {ROOT})"
        )


def _user_add(given: argparse.Namespace) -> str:
    # bcrypt takes its time to load, and only this needs it.
    from havre.registry.access.passwords import hash_password

    htpasswd.check_user_name(given.name)
    try:
        hashed = hash_password(_password(given))
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    with _changing(given.htpasswd, htpasswd.parse) as (users, save):
        save(htpasswd.render({**users, given.name: hashed}))
    return ""


def _user_remove(given: argparse.Namespace) -> str:
    with _changing(given.htpasswd, htpasswd.parse) as (users, save):
        if given.name not in users:
            raise NotFound(f"no such user: {given.name}")
        save(htpasswd.render({name: hashed for name, hashed in users.items() if name != given.name}))
    return ""


def _user_list(given: argparse.Namespace) -> str:
    users = htpasswd.parse(_read(given.htpasswd), str(given.htpasswd))
    return "".join(f"{name}\n" for name in sorted(users))


def _robot_create(given: argparse.Namespace) -> str:
    grant = parse_grant(given.repository, given.action or ["read"], "the robot")
    match = _DAYS.fullmatch(given.expires)
    if given.expires and (match is None or not int(match[1])):
        raise InvalidParameter(f"invalid time {given.expires!r}: use days or hours, as in 90d or 12h")
    lifetime = int(match[1]) * {"d": 86400, "h": 3600}[match[2]] if match else 0
    with _changing(given.root / robots.FILE, robots.parse) as (there, save):
        changed, secret = robots.create(there, given.name, grant, time.time(), lifetime)
        save(robots.render(changed))
    # Alone on standard output, it can go straight into ``docker login --password-stdin``.
    sys.stderr.write(f"It logs in as {robots.PREFIX}{given.name}, with this secret:\n")
    return f"{secret}\n"


def _robot_revoke(given: argparse.Namespace) -> str:
    with _changing(given.root / robots.FILE, robots.parse) as (there, save):
        save(robots.render(robots.revoke(there, given.name)))
    return ""


def _robot_list(given: argparse.Namespace) -> str:
    path = given.root / robots.FILE
    return "".join(f"{json.dumps(_shown(robot))}\n" for robot in robots.parse(_read(path), str(path)).values())


def _shown(robot: Robot) -> dict[str, object]:
    return {
        "name": robots.PREFIX + robot.name,
        "repositories": robot.grant.repositories,
        "actions": robots.action_words(robot.grant),
        "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(robot.expires)) if robot.expires else None,
    }


def _password(given: argparse.Namespace) -> str:
    if given.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidParameter("there is no terminal to ask for the password: use --password-stdin")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise InvalidParameter("the passwords differ")
    return password


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"{path}: {error}") from error


@contextlib.contextmanager
def _changing(path: Path, parse: Callable[[str, str], T]) -> Iterator[tuple[T, Callable[[str], None]]]:
    """What is in the file, and how to replace it; one process at a time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield parse(_read(path), str(path)), lambda text: write_atomic(path, text.encode(), 0o600)
    except OSError as error:
        raise InvalidParameter(f"cannot change {path}: {error.strerror}") from error
