"""``havre network disconnect``: take a container off a network."""

from __future__ import annotations

from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Disconnect a container from a network"
USAGE = "havre network disconnect [OPTIONS] NETWORK CONTAINER"


def configure(parser: Parser) -> None:
    parser.flag("force", "f", "bool", "Force the container to disconnect from a network")
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    network, container = args.args
    part("container", container)
    body = {"Container": container, "Force": args.force}
    ctx.client.post(f"/networks/{part('network', network)}/disconnect", body=body).read()
    return 0
