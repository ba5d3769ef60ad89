"""``havre network rm``: remove networks."""

from __future__ import annotations

from havre.cli.names import part
from havre.client.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove one or more networks"
USAGE = "havre network rm NETWORK [NETWORK...]"


def configure(parser: Parser) -> None:
    parser.flag("force", "f", "bool", "Do not error if the network does not exist")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    failed = False
    for name in args.args:
        try:
            ctx.client.delete(f"/networks/{part('network', name)}").read()
        except ApiError as error:
            if args.force and error.status == 404:
                continue
            ctx.out.flush()
            ctx.err.write(f"{error}\n")
            failed = True
        else:
            ctx.out.write(f"{name}\n")
    return 1 if failed else 0
