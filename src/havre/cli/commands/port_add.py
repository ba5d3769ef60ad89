"""``havre port add``: publish ports of a container that is there, running or not."""

from __future__ import annotations

from havre.cli.commands.port import print_ports
from havre.cli.errors import CommandError
from havre.cli.names import part
from havre.cli.ports import publications

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Publish more ports of a container, also while it runs"
USAGE = "havre port add CONTAINER PORT [PORT...]"


def configure(parser: Parser) -> None:
    parser.arity(2, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    name, *specs = args.args
    try:
        bindings = publications(specs)
    except ValueError as error:
        raise CommandError(f"Error: {error}") from None
    path = f"/havre/containers/{part('container', name)}/ports"
    print_ports(ctx, ctx.client.post(path, body={"PortBindings": bindings}).json()["Ports"])
    return 0
