"""``--use-api-socket``: the daemon's socket in the container, where every client looks for it, and the registry
credentials of whoever runs it.
"""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.client.config import ConfigFile

SOCKET = "/var/run/docker.sock"
_DIRECTORY = "/run/secrets/docker"
_VARIABLE = "DOCKER_CONFIG"


def share(ctx: Context, body: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Add the socket to a create request → the credentials that shall follow: all that are known, none where the
    container was told of a configuration of its own.

    Raises CommandError where the daemon is not behind a socket.
    """
    endpoint = ctx.client.endpoint
    if not endpoint.path:
        raise CommandError(
            f"flag --use-api-socket can only be used with unix sockets: docker endpoint {endpoint.text} incompatible"
        )
    mount = {"Type": "bind", "Source": endpoint.path, "Target": SOCKET, "BindOptions": {}}
    body["HostConfig"].setdefault("Mounts", []).append(mount)
    if any(text.partition("=")[0] == _VARIABLE for text in body.get("Env", ())):
        return {}
    auths = {server: entry for server in _servers(ctx.config) if (entry := _entry(ctx.config, server))}
    if auths:
        body.setdefault("Env", []).append(f"{_VARIABLE}={_DIRECTORY}")
    return auths


def bring(ctx: Context, container: str, auths: dict[str, dict[str, str]]) -> None:
    """Write the credentials into the container that was created."""
    import json

    from havre.lib.tarheaders import REGULAR, Entry, padding
    from havre.lib.tarwriting import END, header

    data = json.dumps({"auths": auths}, indent="\t", ensure_ascii=False).encode()
    member = Entry(f"{_DIRECTORY}/config.json".encode(), REGULAR, 0o600, 0, 0, len(data), 0)
    archive = header(member) + data + bytes(padding(len(data))) + END
    query = {"path": "/", "noOverwriteDirNonDir": "true"}
    ctx.client.put(f"/containers/{container}/archive", query, stream=[archive]).read()


def _servers(config: ConfigFile) -> list[str]:
    from havre.client.auth import run_helper
    from havre.client.jsontext import loads

    known = [*config.table("auths"), *config.table("credHelpers")]
    if helper := config.text("credsStore"):
        text = run_helper(helper, "list", "", "listing")
        try:
            known += loads(text or "{}")
        except ValueError:
            raise CommandError(f"error listing credentials - err: docker-credential-{helper} said `{text}`") from None
    return list(dict.fromkeys(known))


def _entry(config: ConfigFile, server: str) -> dict[str, str]:
    from havre.cli.credstore import packed
    from havre.client.auth import credentials

    found = credentials(config, server)
    if token := found.get("identitytoken"):
        return {"identitytoken": token}
    return {"auth": packed(found["username"], found.get("password", ""))} if found.get("username") else {}
