"""``havre restart``: stop containers and start them again."""

from __future__ import annotations

from havre.cli import stopping
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Restart one or more containers"
USAGE = "havre restart [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    stopping.declare(parser)


def run(args: Args, ctx: Context) -> int:
    query = stopping.query(args)
    return ctx.each(args.args, lambda name: ctx.client.post(f"/containers/{quote(name)}/restart", query).read())
