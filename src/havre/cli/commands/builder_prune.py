"""``havre builder prune``: remove what the build cache keeps."""

from __future__ import annotations

from havre.cli import filterflag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove build cache"
USAGE = "havre builder prune"

_DANGLING = "WARNING! This will remove all dangling build cache. Are you sure you want to continue?"
_ALL = "WARNING! This will remove all build cache. Are you sure you want to continue?"


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Remove all unused build cache, not just dangling ones")
    filterflag.declare(parser, help='Provide filter values (e.g. "until=24h")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")
    parser.flag("keep-storage", "", "bytes", "Amount of disk space to keep for cache")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    if not args.force and not confirm(ctx, _ALL if args.all else _DANGLING):
        return 0
    return pruning.print_report(ctx, *pruning.build_cache(ctx, args.filter, every=args.all, keep=args.keep_storage))
