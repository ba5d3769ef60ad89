"""``havre container prune``: remove all stopped containers."""

from __future__ import annotations

from havre.cli import filterflag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove all stopped containers"
USAGE = "havre container prune [OPTIONS]"


def configure(parser: Parser) -> None:
    filterflag.declare(parser, help='Provide filter values (e.g. "until=<timestamp>")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    if not args.force and not confirm(ctx, f"WARNING! This will remove all stopped containers.\n{pruning.SURE}"):
        return 0
    return pruning.print_report(ctx, *pruning.containers(ctx, args.filter))
