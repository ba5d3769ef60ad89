"""``havre pull``: fetch an image from a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import remote_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Download an image from a registry"
USAGE = "havre pull [OPTIONS] NAME[:TAG|@DIGEST]"


def configure(parser: Parser) -> None:
    parser.flag("all-tags", "a", "bool", "Download all tagged images in the repository")
    parser.flag("disable-content-trust", "", "bool", "Skip image verification", default=True)
    parser.flag("platform", "", "string", "Set platform if server is multi-platform capable")
    parser.flag("quiet", "q", "bool", "Suppress verbose output")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.progress import follow
    from havre.client.auth import header_for

    if not args.disable_content_trust:
        raise CommandError("content trust is not supported")
    reference = remote_image(ctx, args.args[0], every_tag=args.all_tags, quiet=args.quiet)
    query = {
        "fromImage": reference.repository,
        "tag": reference.digest or reference.tag,
        "platform": args.platform.lower() or None,
    }
    response = ctx.client.post("/images/create", query, headers=header_for(ctx.config, reference.domain))
    follow(response, None if args.quiet else ctx.out)
    ctx.out.write(f"{reference.canonical()}\n")
    return 0
