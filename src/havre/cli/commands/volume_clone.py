"""``havre volume clone``: copy a volume, sharing blocks where the file system can."""

from __future__ import annotations

from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Copy a volume to a new one"
USAGE = "havre volume clone [OPTIONS] VOLUME NEW_VOLUME"


def configure(parser: Parser) -> None:
    parser.flag("pause", "p", "bool", "Pause containers that use the volume while it is copied", default=True)
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    name, to = args.args
    path = f"/havre/volumes/{part('volume', name)}/clone"
    query = {"to": to, "pause": "1" if args.pause else "0"}
    ctx.out.write(f"{ctx.client.post(path, query).json()['Name']}\n")
    return 0
