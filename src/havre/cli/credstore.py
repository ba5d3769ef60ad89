"""Keeping registry credentials: in ``config.json``, or with the ``docker-credential-*`` program it names."""

from __future__ import annotations

import os

from havre.cli.errors import CommandError
from havre.client.auth import run_helper
from havre.client.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.client.config import ConfigFile

_TOKEN_USER = "<token>"


def store(config: ConfigFile, server: str, credentials: dict[str, str]) -> bool:
    """Keep ``username`` and ``password``, or ``identitytoken``. True if a new password now lies readable in a file.

    Raises CommandError when they cannot be kept.
    """
    token = credentials.get("identitytoken", "")
    user, password = credentials["username"], "" if token else credentials["password"]
    helper = _helper(config, server)
    if helper:
        secret = {"Username": _TOKEN_USER, "Secret": token} if token else {"Username": user, "Secret": password}
        status, text = run_helper(helper, "store", dumps({"ServerURL": server, **secret}))
        if status:
            raise CommandError(f"Error saving credentials: docker-credential-{helper}: exit {status}, out: `{text}`")
        return False
    entry = {"auth": packed(user, password)} | ({"identitytoken": token} if token else {})
    if config.table("auths").get(server) == entry:
        return False
    _save(config, {**config.table("auths"), server: entry})
    return bool(password)


def erase(config: ConfigFile, server: str) -> None:
    """Forget what is kept for ``server``. Raises CommandError when the helper refuses."""
    helper = _helper(config, server)
    if helper:
        status, text = run_helper(helper, "erase", server)
        if status:
            raise CommandError(f"error erasing credentials: docker-credential-{helper}: exit {status}, out: `{text}`")
        return
    auths = config.table("auths")
    if server in auths:
        _save(config, {name: entry for name, entry in auths.items() if name != server})


def _helper(config: ConfigFile, server: str) -> str:
    host = server.removeprefix("http://").removeprefix("https://").split("/", 1)[0]
    named = config.table("credHelpers").get(host) or config.text("credsStore")
    return named if isinstance(named, str) else ""


def packed(user: str, password: str) -> str:
    from binascii import b2a_base64

    return b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def _save(config: ConfigFile, auths: dict[str, object]) -> None:
    """Write config.json anew, readable by its owner only; a link to it stays a link."""
    import json

    path = os.path.realpath(config.path)
    text = json.dumps({**config.values, "auths": auths}, indent="\t", ensure_ascii=False)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise CommandError(f"Error saving credentials: {error}") from error
    config.values["auths"] = auths
