"""``havre volume update``: change a cluster volume. There are none without a cluster, which is what it says."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Update a volume (cluster volumes only)"
USAGE = "havre volume update [OPTIONS] [VOLUME]"


def configure(parser: Parser) -> None:
    parser.flag(
        "availability", "", "string", 'Cluster Volume availability ("active", "pause", "drain")', default="active"
    )
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    raise CommandError(f"{args.args[0]}: cluster volumes are not supported")
