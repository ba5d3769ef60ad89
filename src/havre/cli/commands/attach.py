"""``havre attach``: join the local terminal to a running container."""

from __future__ import annotations

from havre.cli import terminal
from havre.cli.errors import CommandError
from havre.cli.foreground import relay
from havre.cli.stream import Attachment, Detached
from havre.cli.waiting import Waiter
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Attach local standard input, output, and error streams to a running container"
USAGE = "havre attach [OPTIONS] CONTAINER"

_REFUSED = {
    "Paused": "You cannot attach to a paused container, unpause it first",
    "Restarting": "You cannot attach to a restarting container, wait until it is running",
}


def configure(parser: Parser) -> None:
    parser.arity(1)
    parser.flag("detach-keys", "", "string", "Override the key sequence for detaching a container")
    parser.flag("no-stdin", "", "bool", "Do not attach STDIN")
    parser.flag("sig-proxy", "", "bool", "Proxy all received signals to the process", default=True)


def run(args: Args, ctx: Context) -> int:
    """Join until the container's output ends → the container's exit code."""
    name = quote(args.args[0])
    found = _running(ctx, name)
    config = found["Config"]
    container, tty = found["Id"], config.get("Tty", False)
    terminal.require_terminal(terminal.descriptor_of(ctx.stdin), not args.no_stdin, tty)
    waiter = Waiter(ctx.client, container, "")
    stdin = not args.no_stdin and config.get("OpenStdin", False)
    keys = args.detach_keys or ctx.config.text("detachKeys")
    query = {"stream": True, "stdin": stdin or None, "stdout": True, "stderr": True, "detachKeys": keys or None}
    path = f"/containers/{container}"
    with (
        ctx.client.hijack(f"{path}/attach", query) as socket,
        relay(ctx, path, args.sig_proxy and not tty, tty) as signals,
    ):
        # It may have stopped before we were attached; then nothing would ever come.
        _running(ctx, container)
        if tty:
            _redraw(ctx, path)
            signals.resize_now()
        try:
            Attachment(ctx, socket, tty=tty, stdin=stdin, output=True, keys=keys).join()
        except Detached:
            waiter.close()
            raise CommandError("read escape sequence") from None
    return waiter.result(ctx)


def _running(ctx: Context, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.client.get(f"/containers/{name}/json").json()
    state = found["State"]
    if not state.get("Running"):
        raise CommandError("You cannot attach to a stopped container, start it first")
    for field, text in _REFUSED.items():
        if state.get(field):
            raise CommandError(text)
    return found


def _redraw(ctx: Context, path: str) -> None:
    """Set a size that differs from the real one: the change back makes the program draw its screen or prompt again."""
    rows, columns = terminal.size(terminal.descriptor_of(ctx.out))
    if rows and columns:
        ctx.client.post(f"{path}/resize", {"h": rows + 1, "w": columns + 1}).read()
