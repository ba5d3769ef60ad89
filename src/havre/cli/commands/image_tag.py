"""``havre tag``: give an image another name."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"
USAGE = "havre tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]"


def configure(parser: Parser) -> None:
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    from havre.lib.references import parse

    source, target = args.args
    try:
        parse(source)
    except ValueError as error:
        raise CommandError(f'Error parsing reference: "{source}" is not a valid repository/tag: {error}') from error
    try:
        reference = parse(target)
    except ValueError as error:
        raise CommandError(f'Error parsing reference: "{target}" is not a valid repository/tag: {error}') from error
    if reference.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    query = {"repo": reference.repository, "tag": reference.tag}
    ctx.client.post(f"/images/{part('image', source)}/tag", query).read()
    return 0
