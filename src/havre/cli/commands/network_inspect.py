"""``havre network inspect``: details of networks."""

from __future__ import annotations

from havre.cli.commands.inspect import KINDS, fetch
from havre.cli.format import INSPECT_FORMAT_HELP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Display detailed information on one or more networks"
USAGE = "havre network inspect [OPTIONS] NETWORK [NETWORK...]"


def configure(parser: Parser) -> None:
    parser.flag("format", "f", "string", INSPECT_FORMAT_HELP)
    parser.flag("verbose", "v", "bool", "Verbose output for diagnostics")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.format_inspect import inspect

    def find(name: str) -> tuple[str, str]:
        return KINDS["network"][1], fetch(ctx, "network", name, verbose=args.verbose or None)

    return inspect(ctx, args.args, args.format, find)
