"""``havre start``: start stopped containers, or one of them in the foreground (``-a``, ``-i``)."""

from __future__ import annotations

from havre.cli import experimental
from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.client.errors import ApiError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Start one or more stopped containers"
USAGE = "havre start [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("attach", "a", "bool", "Attach STDOUT/STDERR and forward signals")
    parser.flag("checkpoint", "", "string", "Restore from this checkpoint")
    parser.flag("checkpoint-dir", "", "string", "Use a custom checkpoint storage directory")
    parser.flag("detach-keys", "", "string", "Override the key sequence for detaching a container")
    parser.flag("interactive", "i", "bool", "Attach container's STDIN")


def run(args: Args, ctx: Context) -> int:
    """Start them all, or be the terminal of one → the exit code: the container's own with ``-a`` or ``-i``."""
    experimental.require(ctx, *(f'"--{flag}"' for flag in ("checkpoint", "checkpoint-dir") if args.changed(flag)))
    if args.attach or args.interactive:
        if len(args.args) > 1:
            raise CommandError("you cannot start and attach multiple containers at once")
        return _foreground(args, ctx)
    if args.checkpoint:
        if len(args.args) > 1:
            raise CommandError("you cannot restore multiple containers at once")
        _start(args, ctx, args.args[0])
        return 0
    failed: list[str] = []
    for name in args.args:
        try:
            _start(args, ctx, name)
        except ApiError as error:
            ctx.err.write(f"{error}\n")
            failed.append(name)
        else:
            ctx.out.write(f"{name}\n")
            ctx.out.flush()
    if failed:
        raise CommandError(f"Error: failed to start containers: {', '.join(failed)}")
    return 0


def _start(args: Args, ctx: Context, name: str) -> None:
    query = {"checkpoint": args.checkpoint or None, "checkpoint-dir": args.checkpoint_dir or None}
    ctx.client.post(f"/containers/{quote(name)}/start", query).read()


def _foreground(args: Args, ctx: Context) -> int:
    from havre.cli.foreground import Foreground
    from havre.cli.trace import Trace

    found = ctx.client.get(f"/containers/{quote(args.args[0])}/json").json()
    container, config = found["Id"], found["Config"]
    tty = config.get("Tty", False)
    front = Foreground(
        ctx,
        container,
        tty=tty,
        stdin=args.interactive and config.get("OpenStdin", False),
        stdout=True,
        stderr=True,
        keys=args.detach_keys,
        forward=not tty,
        remove=bool(found["HostConfig"].get("AutoRemove")),
        trace=Trace(False, 0.0),
    )
    return front.run(lambda: _start(args, ctx, container))
