"""``havre volume rm``: remove volumes."""

from __future__ import annotations

from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove one or more volumes. You cannot remove a volume that is in use by a container."
USAGE = "havre volume rm [OPTIONS] VOLUME [VOLUME...]"


def configure(parser: Parser) -> None:
    parser.flag("force", "f", "bool", "Force the removal of one or more volumes")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    query = {"force": args.force or None}
    return ctx.each(args.args, lambda name: ctx.client.delete(f"/volumes/{part('volume', name)}", query).read())
