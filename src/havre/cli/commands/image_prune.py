"""``havre image prune``: remove images without a name, or all that no container uses."""

from __future__ import annotations

from havre.cli import filterflag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove unused images"
USAGE = "havre image prune [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Remove all unused images, not just dangling ones")
    filterflag.declare(parser, help='Provide filter values (e.g. "until=<timestamp>")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    what = "all images without at least one container associated to them" if args.all else "all dangling images"
    if not args.force and not confirm(ctx, f"WARNING! This will remove {what}.\n{pruning.SURE}"):
        return 0
    return pruning.print_report(ctx, *pruning.images(ctx, args.filter, every=args.all))
