"""``havre checkpoint ls``: the checkpoints of a container."""

from __future__ import annotations

from havre.cli import experimental
from havre.cli.table import align
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List checkpoints for a container"
USAGE = "havre checkpoint ls [OPTIONS] CONTAINER"


def configure(parser: Parser) -> None:
    parser.arity(1)
    parser.flag("checkpoint-dir", "", "string", "Use a custom checkpoint storage directory")


def run(args: Args, ctx: Context) -> int:
    experimental.require(ctx, "havre checkpoint ls")
    query = {"dir": args.checkpoint_dir or None}
    found = ctx.client.get(f"/containers/{quote(args.args[0])}/checkpoints", query).json()
    ctx.out.write(align("".join(f"{name}\n" for name in ["CHECKPOINT NAME", *(each["Name"] for each in found or ())])))
    return 0
