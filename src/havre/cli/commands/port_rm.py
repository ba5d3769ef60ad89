"""``havre port rm``: publish ports of a container no longer."""

from __future__ import annotations

from havre.cli.commands.port import print_ports
from havre.cli.names import part
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Publish ports of a container no longer, also while it runs"
USAGE = "havre port rm CONTAINER PRIVATE_PORT[/PROTO] [PRIVATE_PORT[/PROTO]...]"


def configure(parser: Parser) -> None:
    parser.arity(2, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    name, *ports = args.args
    published = {}
    for port in ports:
        number, _, protocol = port.partition("/")
        path = f"/havre/containers/{part('container', name)}/ports/{quote(number)}"
        query = {"protocol": protocol} if protocol else {}
        published = ctx.client.delete(path, query).json()["Ports"]
    print_ports(ctx, published)
    return 0
