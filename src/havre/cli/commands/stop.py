"""``havre stop``: end containers with their stop signal, then with SIGKILL."""

from __future__ import annotations

from havre.cli import stopping
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Stop one or more running containers"
USAGE = "havre stop [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    stopping.declare(parser)


def run(args: Args, ctx: Context) -> int:
    query = stopping.query(args)
    return ctx.each_at_once(
        args.args, lambda client, name: client.post(f"/containers/{quote(name)}/stop", query).read()
    )
