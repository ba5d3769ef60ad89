"""``havre kill``: send a signal to containers."""

from __future__ import annotations

from havre.cli.parser import MANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Kill one or more running containers"
USAGE = "havre kill [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("signal", "s", "string", "Signal to send to the container")


def run(args: Args, ctx: Context) -> int:
    return ctx.each_container(args.args, "kill", {"signal": args.signal or None})
