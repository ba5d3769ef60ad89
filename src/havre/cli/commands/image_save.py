"""``havre save``: images as a tar archive."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Save one or more images to a tar archive (streamed to STDOUT by default)"
USAGE = "havre save [OPTIONS] IMAGE [IMAGE...]"

_PLATFORM_HELP = 'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'


def configure(parser: Parser) -> None:
    parser.flag("output", "o", "string", "Write to a file, instead of STDOUT")
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.download import write
    from havre.cli.platformflag import as_query

    if not args.output and ctx.out.isatty():
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    query = {"names": args.args, "platform": as_query(args.platform)}
    write(ctx, args.output, "failed to save image", lambda: ctx.client.get("/images/get", query))
    return 0
