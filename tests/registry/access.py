"""Accounts and headers of the tests about access."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from havre.registry.access import htpasswd
from havre.registry.access.passwords import hash_password
from tests.registry.server import Answer, Client, Server

RULES = """
[groups]
dev = ["alice"]

[[rules]]
who = ["group:dev"]
repositories = ["team/**"]
actions = ["read", "write"]

[[rules]]
who = ["user:carol"]
repositories = ["**"]
actions = ["read", "write", "delete", "admin"]

[[rules]]
who = ["anonymous", "authenticated"]
repositories = ["public/*"]
actions = ["read"]
"""
PASSWORDS = {"alice": "secret-a", "bob": "secret-b", "carol": "secret-c"}


def basic(name: str, password: str | None = None) -> str:
    pair = f"{name}:{PASSWORDS[name] if password is None else password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def write_users(path: Path, passwords: dict[str, str] | None = None) -> Path:
    hashed = {name: hash_password(password, 4) for name, password in (passwords or PASSWORDS).items()}
    path.write_text(htpasswd.render(hashed))
    return path


@contextmanager
def guarded(directory: Path, *arguments: str, rules: str = RULES) -> Iterator[Server]:
    """A registry with the users above, and rules."""
    (directory / "access.toml").write_text(rules)
    server = Server(
        directory / "root",
        *("--htpasswd", str(write_users(directory / "htpasswd")), "--access", str(directory / "access.toml")),
        *arguments,
    )
    try:
        yield server
    finally:
        server.close()


class SignedClient(Client):
    """Sends ``authorization`` with each request."""

    def __init__(self, port: int, authorization: str = "") -> None:
        super().__init__(port)
        self.authorization = authorization

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if self.authorization:
            headers.setdefault("Authorization", self.authorization)
        return super().ask(method, path, body, **headers)
