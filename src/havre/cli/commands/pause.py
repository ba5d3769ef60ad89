"""``havre pause``: freeze the processes of containers."""

from __future__ import annotations

from havre.cli.parser import MANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Pause all processes within one or more containers"
USAGE = "havre pause CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)


def run(args: Args, ctx: Context) -> int:
    return ctx.each_container(args.args, "pause")
