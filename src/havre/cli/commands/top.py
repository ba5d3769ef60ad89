"""``havre top``: the processes of a container, as the host's ps shows them."""

from __future__ import annotations

from havre.cli.parser import MANY
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Display the running processes of a container"
USAGE = "havre top CONTAINER [ps OPTIONS]"


MIN_WIDTH = 20
PADDING = 3


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.interspersed = False


def run(args: Args, ctx: Context) -> int:
    name, options = args.args[0], " ".join(args.args[1:])
    answer = ctx.client.get(f"/containers/{quote(name)}/top", {"ps_args": options or None}).json()
    rows = [answer["Titles"], *(answer["Processes"] or [])]
    widths = [max(MIN_WIDTH, *(len(cell) + PADDING for cell in column)) for column in zip(*rows, strict=False)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        ctx.out.write("".join([*cells, *row[-1:]]) + "\n")
    return 0
