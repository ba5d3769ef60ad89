"""``havre restart``: stop containers and start them again."""

from __future__ import annotations

from havre.cli.parser import MANY
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Restart one or more containers"
USAGE = "havre restart [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("signal", "s", "string", "Signal to send to the container")
    parser.flag("timeout", "t", "int", "Seconds to wait before killing the container")
    parser.alias("time", "timeout")


def run(args: Args, ctx: Context) -> int:
    query = {"signal": args.signal or None, "t": args.timeout if args.changed("timeout") else None}
    return ctx.each(args.args, lambda name: ctx.client.post(f"/containers/{quote(name)}/restart", query).read())
