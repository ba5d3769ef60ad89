"""``havre stop``: end containers with their stop signal, then with SIGKILL."""

from __future__ import annotations

from havre.cli import stopping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Stop one or more running containers"
USAGE = "havre stop [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    stopping.declare(parser)


def run(args: Args, ctx: Context) -> int:
    return ctx.each_container(args.args, "stop", stopping.query(args))
