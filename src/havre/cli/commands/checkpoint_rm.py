"""``havre checkpoint rm``: remove a checkpoint."""

from __future__ import annotations

from havre.cli import experimental
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove a checkpoint"
USAGE = "havre checkpoint rm [OPTIONS] CONTAINER CHECKPOINT"


def configure(parser: Parser) -> None:
    parser.arity(2)
    parser.flag("checkpoint-dir", "", "string", "Use a custom checkpoint storage directory")


def run(args: Args, ctx: Context) -> int:
    experimental.require(ctx, "havre checkpoint rm")
    container, name = args.args
    query = {"dir": args.checkpoint_dir or None}
    ctx.client.delete(f"/containers/{quote(container)}/checkpoints/{quote(name)}", query).read()
    return 0
