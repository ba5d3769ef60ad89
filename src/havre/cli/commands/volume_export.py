"""``havre volume export``: a volume's files as a tar archive."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Export a volume's files as a tar archive (streamed to STDOUT by default)"
USAGE = "havre volume export [OPTIONS] VOLUME"


def configure(parser: Parser) -> None:
    parser.flag("output", "o", "string", "Write to a file, instead of STDOUT")
    parser.flag("zstd", "z", "bool", "Compress the archive with zstd")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.download import write

    if not args.output and ctx.out.isatty():
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    path = f"/havre/volumes/{part('volume', args.args[0])}/export"
    query = {"format": "zstd" if args.zstd else "tar"}
    write(ctx, args.output, "failed to export volume", lambda: ctx.client.get(path, query))
    return 0
