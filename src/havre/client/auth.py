"""Registry credentials: from ``config.json`` and the ``docker-credential-*`` programs, and into ``X-Registry-Auth``."""

from __future__ import annotations

from havre.client.jsontext import dumps, loads
from havre.errors import SystemFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.client.config import ConfigFile

# The name under which Docker Hub's credentials are kept, for historical reasons.
HUB = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io")
_NOT_FOUND = "credentials not found in native keychain"
TOKEN_USER = "<token>"
HELPER_TIMEOUT = 120.0


def header_for(config: ConfigFile, domain: str) -> dict[str, str]:
    """``{"X-Registry-Auth": …}`` for a registry ("docker.io", "localhost:5000"), {} where no credentials are known."""
    found = credentials(config, domain)
    return {"X-Registry-Auth": encode(found)} if found else {}


def encode(credentials: dict[str, Any]) -> str:
    """Credentials as the header's value: URL-safe base64 of the JSON."""
    from binascii import b2a_base64

    text = b2a_base64(dumps(credentials).encode(), newline=False)
    return text.translate(bytes.maketrans(b"+/", b"-_")).decode()


def server_key(domain: str) -> str:
    """The key under which a registry's credentials are kept."""
    return HUB if domain in _HUB_NAMES else domain


def credentials(config: ConfigFile, domain: str) -> dict[str, str]:
    """``username``, ``password``, ``identitytoken``, ``registrytoken``, ``serveraddress`` as far as known; {} if
    nothing is.

    A helper (see ``helper_for``) goes before ``auths``. The user is warned of one that fails, and nothing is known
    then: most images need no credentials.
    """
    server = server_key(domain)
    helper = helper_for(config, server, domain)
    stored = _stored(config, server)
    if not helper:
        return stored
    try:
        kept = _ask_helper(helper, server)
    except SystemFault as error:
        config.warn(error.message)
        return {}
    if kept and (email := stored.get("email")):
        kept["email"] = email
    return kept


def helper_for(config: ConfigFile, server: str, domain: str = "") -> str:
    """The ``docker-credential-`` program that keeps credentials for ``server``; "" where none does.

    One named for the registry (``credHelpers``) goes before the general one (``credsStore``). Where neither these nor
    credentials are there yet, it is the one that suits a Linux machine, if that is installed.
    """
    named = config.table("credHelpers")
    for helper in (named.get(server), named.get(domain), config.text("credsStore")):
        if isinstance(helper, str) and helper:
            return helper
    if named or config.table("auths"):
        return ""
    from shutil import which

    usual = "pass" if which("pass") else "secretservice"
    return usual if which(f"docker-credential-{usual}") else ""


def _stored(config: ConfigFile, server: str) -> dict[str, str]:
    auths = config.table("auths")
    entry = auths.get(server)
    if entry is None:
        host = _hostname(server)
        entry = next((value for key, value in auths.items() if _hostname(key) == host), None)
    if not isinstance(entry, dict):
        return {}
    out = {key.lower(): value for key, value in entry.items() if isinstance(value, str) and value and key != "auth"}
    if isinstance(packed := entry.get("auth"), str) and packed:
        out["username"], out["password"] = _unpack(packed, config.path)
    if out:
        out["serveraddress"] = server
    return out


def _unpack(packed: str, path: str) -> tuple[str, str]:
    from binascii import Error, a2b_base64

    try:
        user, colon, password = a2b_base64(packed).decode().partition(":")
    except (Error, ValueError):
        user = colon = password = ""
    if not colon:
        raise SystemFault(f"invalid auth configuration file ({path})")
    return user, password.strip("\0")


def _hostname(server: str) -> str:
    """A key of ``auths`` may be written as a URL; the registry is its host."""
    return server.removeprefix("http://").removeprefix("https://").split("/", 1)[0]


def _ask_helper(helper: str, server: str) -> dict[str, str]:
    out = run_helper(helper, "get", server, "getting")
    if out is None:
        return {}
    try:
        answer = loads(out)
        user, secret = answer["Username"], answer["Secret"]
        if not isinstance(user, str) or not isinstance(secret, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise SystemFault(f"error getting credentials: docker-credential-{helper} did not answer as expected") from None
    if not secret:
        return {}
    if user == TOKEN_USER:
        return {"identitytoken": secret, "serveraddress": server}
    return {"username": user, "password": secret, "serveraddress": server}


def run_helper(helper: str, verb: str, text: str, doing: str) -> str | None:
    """Run ``docker-credential-HELPER VERB`` with ``text`` on its stdin → its output, trimmed; None when it says that it
    knows no such credentials. Raises SystemFault, in the words of docker, when it fails.
    """
    import subprocess

    program = f"docker-credential-{helper}"
    failed = f"error {doing} credentials - err:"
    try:
        done = subprocess.run(
            [program, verb], input=text.encode(), stdout=subprocess.PIPE, timeout=HELPER_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise SystemFault(f'{failed} exec: "{program}": executable file not found in $PATH, out: ``') from None
    except subprocess.TimeoutExpired:
        raise SystemFault(f"{failed} {program} {verb} has not answered within {HELPER_TIMEOUT:g} seconds") from None
    except OSError as error:
        raise SystemFault(f"{failed} {program}: {error.strerror}") from error
    out = done.stdout.decode("utf-8", "replace").strip()
    if not done.returncode:
        return out
    if _NOT_FOUND in out:
        return None
    how = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
    raise SystemFault(f"{failed} {how}, out: `{out}`")
