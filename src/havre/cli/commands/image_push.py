"""``havre push``: send an image to a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Upload an image to a registry"
USAGE = "havre push [OPTIONS] NAME[:TAG]"

_PLATFORM_HELP = """Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"""


def configure(parser: Parser) -> None:
    parser.flag("all-tags", "a", "bool", "Push all tags of an image to the repository")
    parser.flag("disable-content-trust", "", "bool", "Skip image signing", default=True)
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.flag("quiet", "q", "bool", "Suppress verbose output")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.platformflag import as_query
    from havre.cli.progress import follow
    from havre.client.auth import credentials, encode
    from havre.lib.references import DEFAULT_TAG, parse

    if not args.disable_content_trust:
        raise CommandError("content trust is not supported")
    platform = as_query(args.platform)
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
    if reference.digest:
        raise CommandError("cannot push a digest reference")
    query = {"tag": reference.tag, "platform": platform}
    # The daemon wants the header even where there are no credentials.
    headers = {"X-Registry-Auth": encode(credentials(ctx.config, reference.domain))}
    path = f"/images/{quote(reference.repository, '/:')}/push"
    follow(ctx.client.post(path, query, headers=headers), None if args.quiet else ctx.out)
    if args.quiet:
        ctx.out.write(f"{reference.canonical()}\n")
    return 0
