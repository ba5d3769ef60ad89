"""Keeping registry credentials: in ``config.json``, or with the ``docker-credential-*`` program it names."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.auth import TOKEN_USER, helper_for, run_helper
from havre.client.configsaving import change
from havre.client.jsontext import dumps
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.client.config import ConfigFile

    Values = dict[str, Any]


def store(config: ConfigFile, server: str, credentials: dict[str, str]) -> bool:
    """Keep ``username`` and ``password``, or ``identitytoken``. True if a new password now lies readable in a file.

    Raises CommandError when they cannot be kept.
    """
    token = credentials.get("identitytoken", "")
    user, password = credentials["username"], "" if token else credentials["password"]
    helper = helper_for(config, server)
    try:
        if helper:
            secret = {"Username": TOKEN_USER, "Secret": token} if token else {"Username": user, "Secret": password}
            run_helper(helper, "store", dumps({"ServerURL": server, **secret}), "storing")
        # What a helper keeps leaves an empty entry: other tools find the registries one is logged in to by it.
        entry = {} if helper else {"auth": packed(user, password)} | ({"identitytoken": token} if token else {})
        if config.table("auths").get(server) == entry:
            return False
        change(config, lambda values: _with(values, {**_auths(values), server: entry}, helper))
    except HavreError as error:
        raise CommandError(f"Error saving credentials: {error}") from error
    return bool(password) and not helper


def erase(config: ConfigFile, server: str) -> None:
    """Forget what is kept for ``server``. Raises CommandError when the helper refuses."""
    helper = helper_for(config, server)
    try:
        if helper:
            run_helper(helper, "erase", server, "erasing")
        if server in config.table("auths"):
            change(config, lambda values: _without(values, server))
    except HavreError as error:
        raise CommandError(str(error)) from error


def packed(user: str, password: str) -> str:
    from binascii import b2a_base64

    return b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def _auths(values: Values) -> dict[str, Any]:
    found = values.get("auths")
    return found if isinstance(found, dict) else {}


def _with(values: Values, auths: dict[str, Any], helper: str = "") -> Values:
    """``values`` with ``auths``, in the order in which docker writes them.

    A helper that was only found (see ``helper_for``) is named from now on.
    """
    rest = {key: value for key, value in values.items() if key != "auths"}
    named = rest.get("credsStore") or rest.get("credHelpers")
    return {"auths": dict(sorted(auths.items())), **rest, **({"credsStore": helper} if helper and not named else {})}


def _without(values: Values, server: str) -> Values | None:
    auths = _auths(values)
    if server not in auths:
        return None
    return _with(values, {name: entry for name, entry in auths.items() if name != server})
