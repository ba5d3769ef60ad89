"""``havre rename``: give a container another name."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.errors import ApiError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Rename a container"
USAGE = "havre rename CONTAINER NEW_NAME"


def configure(parser: Parser) -> None:
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    old, new = (name.strip() for name in args.args)
    if not old or not new:
        raise CommandError("Error: Neither old nor new names may be empty")
    try:
        ctx.client.post(f"/containers/{quote(old)}/rename", {"name": new}).read()
    except ApiError as error:
        raise CommandError(f"{error}\nError: failed to rename container named {old}") from error
    return 0
