"""``--secret`` and ``--ssh``: what a build may see but never keeps."""

from __future__ import annotations

import os

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from havre.cli.context import Context
    from havre.client.hijack import HijackedSocket

_LARGEST = 500 * 1024
_STARTED = b"\1"
_READ = 65536


def secrets(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets' values in base64, by id. Raises CommandError, which never has a value in it."""
    from binascii import b2a_base64

    found = {}
    for text in texts:
        name, value = _secret(text, environ)
        if len(value) > _LARGEST:
            raise CommandError(f"secret {name} is too big: the most is {_LARGEST // 1024}KB")
        found[name] = b2a_base64(value, newline=False).decode()
    return found


def _secret(text: str, environ: Mapping[str, str]) -> tuple[str, bytes]:
    from havre.cli import csvline

    fields: dict[str, str] = {}
    for item in csvline.split(text):
        key, equals, value = item.partition("=")
        if not equals:
            raise CommandError(f"invalid field '{item}' must be a key=value pair")
        key = {"source": "src"}.get(key.lower(), key.lower())
        if key not in ("id", "src", "env", "type"):
            raise CommandError(f"unexpected key '{key}' in '{item}'")
        fields[key] = value
    name, kind = fields.get("id", ""), fields.get("type", "")
    if kind not in ("", "file", "env"):
        raise CommandError(f'unsupported secret type "{kind}"')
    if not name:
        raise CommandError("secret missing ID")
    variable, path = fields.get("env", ""), fields.get("src", "")
    if kind == "env" and not variable:
        variable, path = path, ""
    if not variable and not path:
        variable, path = (name, "") if name in environ else ("", name)
    if variable:
        if variable not in environ:
            raise CommandError(f"secret {name}: the environment variable {variable} is not set")
        return name, os.fsencode(environ[variable])
    try:
        with open(path, "rb") as file:
            return name, file.read(_LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"failed to stat {path}: {reason}") from error


def agents(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The sockets of SSH agents, by id."""
    found = {}
    for text in texts:
        name, equals, path = text.partition("=")
        path = path if equals else environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise CommandError(
                f"invalid empty ssh agent socket: give --ssh {name or 'default'}=PATH, or set SSH_AUTH_SOCK"
            )
        if not _is_socket(path):
            raise CommandError(f"--ssh {text}: {path} is not an agent's socket (keys have to be added to an agent)")
        found[name or "default"] = path
    return found


def _is_socket(path: str) -> bool:
    import stat

    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def forward(ctx: Context, session: str, sockets: Mapping[str, str]) -> None:
    """Let the build's commands reach the agents: for each, one connection waits for the next command."""
    for name, path in sockets.items():
        _wait(ctx, session, name, path)


def _wait(ctx: Context, session: str, name: str, path: str) -> None:
    from threading import Thread

    stream = ctx.new_client().hijack(f"/havre/build/agents/{session}", {"id": name})

    def serve() -> None:
        if stream.recv(1) == _STARTED:
            _wait(ctx, session, name, path)
            _lead(stream, path)
        stream.close()

    Thread(target=serve, daemon=True).start()


def _lead(stream: HijackedSocket, path: str) -> None:
    """Carry bytes between the daemon and the agent until both have ended."""
    import socket
    from threading import Thread

    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(path)

        def back() -> None:
            try:
                while data := agent.recv(_READ):
                    stream.sendall(data)
                stream.close_write()
            except OSError:
                pass  # the other end has gone: the loop below ends as well

        thread = Thread(target=back, daemon=True)
        thread.start()
        try:
            while data := stream.recv(_READ):
                agent.sendall(data)
            agent.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the agent has hung up
        thread.join()
