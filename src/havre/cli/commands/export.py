"""``havre export``: a container's file system as a tar archive."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Export a container's filesystem as a tar archive"
USAGE = "havre export [OPTIONS] CONTAINER"


def configure(parser: Parser) -> None:
    parser.flag("output", "o", "string", "Write to a file, instead of STDOUT")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.download import write

    if not args.output and ctx.out.isatty():
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    path = f"/containers/{part('container', args.args[0])}/export"
    write(ctx, args.output, "failed to export container", lambda: ctx.client.get(path))
    return 0
