"""``havre checkpoint create``: save the state of a running container's processes."""

from __future__ import annotations

from havre.cli import experimental
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a checkpoint from a running container"
USAGE = "havre checkpoint create [OPTIONS] CONTAINER CHECKPOINT"


def configure(parser: Parser) -> None:
    parser.arity(2)
    parser.flag("checkpoint-dir", "", "string", "Use a custom checkpoint storage directory")
    parser.flag("leave-running", "", "bool", "Leave the container running after checkpoint")


def run(args: Args, ctx: Context) -> int:
    experimental.require(ctx, "havre checkpoint create")
    container, name = args.args
    body = {"CheckpointID": name, "CheckpointDir": args.checkpoint_dir, "Exit": not args.leave_running}
    ctx.client.post(f"/containers/{quote(container)}/checkpoints", None, body).read()
    ctx.out.write(f"{name}\n")
    return 0
