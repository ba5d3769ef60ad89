"""``havre create``: make a container and print its id."""

from __future__ import annotations

from havre.cli import creation, runflags
from havre.cli.errors import CommandError, with_help
from havre.cli.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a new container"
USAGE = "havre create [OPTIONS] IMAGE [COMMAND] [ARG...]"


def configure(parser: Parser) -> None:
    runflags.declare(parser)


def run(args: Args, ctx: Context) -> int:
    creation.refuse_foreign(args)
    try:
        body = creation.request_body(args, ctx)
    except (ValueError, CommandError) as error:
        raise CommandError(with_help("create", str(error)), 125) from error
    ctx.out.write(creation.create(args, ctx, body, Trace(False, 0.0)) + "\n")
    return 0
