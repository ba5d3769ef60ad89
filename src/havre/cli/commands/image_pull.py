"""``havre pull``: fetch an image from a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError

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
    from havre.lib.references import DEFAULT_TAG, parse

    if not args.disable_content_trust:
        raise CommandError("content trust is not supported")
    try:
        reference = parse(args.args[0], default_tag=None)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if args.all_tags and (reference.tag or reference.digest):
        raise CommandError("tag can't be used with --all-tags/-a")
    if not args.all_tags and not (reference.tag or reference.digest):
        reference = reference.with_tag(DEFAULT_TAG)
        if not args.quiet:
            ctx.out.write(f"Using default tag: {DEFAULT_TAG}\n")
            ctx.out.flush()
    query = {
        "fromImage": reference.repository,
        "tag": None if args.all_tags else reference.digest or reference.tag,
        "platform": args.platform.lower() or None,
    }
    response = ctx.client.post("/images/create", query, headers=header_for(ctx.config, reference.domain))
    follow(response, None if args.quiet else ctx.out)
    ctx.out.write(f"{reference.canonical()}\n")
    return 0
