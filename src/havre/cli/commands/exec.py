"""``havre exec``: run a command in a running container."""

from __future__ import annotations

from havre.cli import envfile, terminal
from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.client.errors import DaemonUnreachable
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Execute a command in a running container"
USAGE = "havre exec [OPTIONS] CONTAINER COMMAND [ARG...]"

LOST = 255


def configure(parser: Parser) -> None:
    flag = parser.flag
    parser.interspersed = False
    parser.arity(2, MANY)
    flag("detach", "d", "bool", "Detached mode: run command in the background")
    flag("detach-keys", "", "string", "Override the key sequence for detaching a container")
    flag("env", "e", "list", "Set environment variables", convert=envfile.check_env, since="1.25")
    flag("env-file", "", "list", "Read in a file of environment variables", since="1.25")
    flag("interactive", "i", "bool", "Keep STDIN open even if not attached")
    flag("privileged", "", "bool", "Give extended privileges to the command")
    flag("tty", "t", "bool", "Allocate a pseudo-TTY")
    flag("user", "u", "string", 'Username or UID (format: "<name|uid>[:<group|gid>]")')
    flag("workdir", "w", "string", "Working directory inside the container", since="1.35")


def run(args: Args, ctx: Context) -> int:
    """Run the command → its exit code."""
    container = quote(args.args[0])
    body = _exec_config(args, ctx)
    if not args.detach:
        _require_terminal(args, ctx, container)
    exec_id = ctx.client.post(f"/containers/{container}/exec", None, body).json().get("Id", "")
    if not exec_id:
        raise CommandError("exec ID empty")
    start: dict[str, Any] = {"Detach": args.detach, "Tty": args.tty}
    if size := body.get("ConsoleSize"):
        start["ConsoleSize"] = size
    path = f"/exec/{quote(exec_id)}"
    if args.detach:
        ctx.client.post(f"{path}/start", None, start).read()
        return 0
    return _attached(args, ctx, path, start, body.get("DetachKeys", ""))


def _attached(args: Args, ctx: Context, path: str, start: dict[str, Any], keys: str) -> int:
    from havre.cli.foreground import relay
    from havre.cli.stream import Attachment, Detached

    with ctx.client.hijack(f"{path}/start", None, start) as socket, relay(ctx, path, False, args.tty) as signals:
        signals.resize_now()
        try:
            Attachment(ctx, socket, tty=args.tty, stdin=args.interactive, output=True, keys=keys).join()
        except Detached:
            raise CommandError("read escape sequence") from None
    try:
        return int(ctx.client.get(f"{path}/json").json().get("ExitCode") or 0)
    except DaemonUnreachable:
        return LOST


def _exec_config(args: Args, ctx: Context) -> dict[str, Any]:
    body: dict[str, Any] = {"Cmd": args.args[1:], "Tty": args.tty, "Privileged": args.privileged, "Detach": args.detach}
    for field, value in (
        ("User", args.user),
        ("WorkingDir", args.workdir),
        ("Env", envfile.environment(args.env_file, args.env, ctx.environ)),
        ("DetachKeys", args.detach_keys or ctx.config.text("detachKeys")),
    ):
        if value:
            body[field] = value
    if not args.detach:
        body.update(AttachStdin=args.interactive, AttachStdout=True, AttachStderr=True)
    if args.tty:
        body["ConsoleSize"] = list(terminal.size(terminal.descriptor_of(ctx.out)))
    return body


def _require_terminal(args: Args, ctx: Context, container: str) -> None:
    try:
        terminal.require_terminal(terminal.descriptor_of(ctx.stdin), args.interactive, args.tty)
    except CommandError:
        # That there is no such container is the better answer.
        ctx.client.get(f"/containers/{container}/json").read()
        raise
