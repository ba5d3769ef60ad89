"""``havre load``: images out of a tar archive."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Load an image from a tar archive or STDIN"
USAGE = "havre load [OPTIONS]"

_PLATFORM_HELP = 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'


def configure(parser: Parser) -> None:
    parser.flag("input", "i", "string", "Read from tar archive file, instead of STDIN")
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.flag("quiet", "q", "bool", "Suppress the load output")


def run(args: Args, ctx: Context) -> int:
    """Send the archive, then print what the daemon says of each image in it."""
    from havre.cli.platformflag import as_query
    from havre.cli.progress import follow
    from havre.cli.upload import open_file, pieces

    if not args.input and ctx.stdin.isatty():
        raise CommandError("requested load from stdin, but stdin is empty")
    # Bars are for terminals only; without one the daemon need not count.
    quiet = args.quiet or not ctx.out.isatty()
    query = {"quiet": quiet, "platform": as_query(args.platform)}
    file = open_file(args.input) if args.input else ctx.stdin.buffer
    try:
        response = ctx.client.post("/images/load", query, stream=pieces(file))
        if "json" in response.headers.get("content-type", ""):
            follow(response, ctx.out)
        else:
            ctx.out.write(response.read().decode("utf-8", "replace"))
    finally:
        if args.input:
            file.close()
    return 0
