"""``havre network prune``: remove networks no container uses."""

from __future__ import annotations

from havre.cli import filterflag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove all unused networks"
USAGE = "havre network prune [OPTIONS]"


def configure(parser: Parser) -> None:
    filterflag.declare(parser, help='Provide filter values (e.g. "until=<timestamp>")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    warning = f"WARNING! This will remove all custom networks not used by at least one container.\n{pruning.SURE}"
    if not args.force and not confirm(ctx, warning):
        return 0
    _, text = pruning.networks(ctx, args.filter)
    if text:
        ctx.out.write(f"{text}\n")
    return 0
