"""``havre volume prune``: remove volumes no container uses."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove unused local volumes"
USAGE = "havre volume prune [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Remove all unused volumes, not just anonymous ones")
    filterflag.declare(parser, help='Provide filter values (e.g. "label=<label>")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    filters = list(args.filter)
    if args.all:
        if any(name == "all" for name, _ in filters):
            raise CommandError("conflicting options: cannot specify both --all and --filter all=1")
        filters.append(("all", "true"))
    what = "all local volumes" if args.all else "anonymous local volumes"
    warning = f"WARNING! This will remove {what} not used by at least one container.\n{pruning.SURE}"
    if not args.force and not confirm(ctx, warning):
        return 0
    return pruning.print_report(ctx, *pruning.volumes(ctx, filters))
