"""``havre kill``: send a signal to containers."""

from __future__ import annotations

from havre.cli.parser import MANY
from havre.client.query import quote

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
    query = {"signal": args.signal or None}
    return ctx.each_at_once(
        args.args, lambda client, name: client.post(f"/containers/{quote(name)}/kill", query).read()
    )
