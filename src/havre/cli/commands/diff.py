"""``havre diff``: what a container changed on its file system."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Inspect changes to files or directories on a container's filesystem"
USAGE = "havre diff CONTAINER"

_KINDS = "CAD"


def configure(parser: Parser) -> None:
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    if not args.args[0]:
        raise CommandError("Container name cannot be empty")
    changes = ctx.client.get(f"/containers/{quote(args.args[0])}/changes").json() or []
    ctx.out.write("".join(f"{_KINDS[change['Kind']]} {change['Path']}\n" for change in changes))
    return 0
