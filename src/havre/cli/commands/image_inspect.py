"""``havre image inspect``: details of images."""

from __future__ import annotations

from havre.cli.commands.inspect import KINDS, fetch
from havre.cli.format import INSPECT_FORMAT_HELP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Display detailed information on one or more images"
USAGE = "havre image inspect [OPTIONS] IMAGE [IMAGE...]"

_PLATFORM_HELP = """Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"""


def configure(parser: Parser) -> None:
    parser.flag("format", "f", "string", INSPECT_FORMAT_HELP)
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.format_inspect import inspect
    from havre.cli.platformflag import as_query

    platform, type_name = as_query(args.platform), KINDS["image"][1]
    return inspect(ctx, args.args, args.format, lambda name: (type_name, fetch(ctx, "image", name, platform=platform)))
