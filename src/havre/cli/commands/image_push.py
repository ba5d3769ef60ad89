"""``havre push``: send an image to a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part, remote_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Upload an image to a registry"
USAGE = "havre push [OPTIONS] NAME[:TAG]"

_PLATFORM_HELP = """Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"""

_PART_ONLY = "Not all multiplatform-content is present and only the available single-platform image was pushed"


def configure(parser: Parser) -> None:
    parser.flag("all-tags", "a", "bool", "Push all tags of an image to the repository")
    parser.flag("disable-content-trust", "", "bool", "Skip image signing", default=True)
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.flag("quiet", "q", "bool", "Suppress verbose output")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    """Ask for the push and show how it goes."""
    from havre.cli.platformflag import as_query
    from havre.cli.progress import follow
    from havre.client.auth import credentials, encode

    if not args.disable_content_trust:
        raise CommandError("content trust is not supported")
    platform = as_query(args.platform)
    reference = remote_image(ctx, args.args[0], every_tag=args.all_tags, quiet=args.quiet)
    if reference.digest:
        raise CommandError("cannot push a digest reference")
    # The daemon wants the header even where there are no credentials.
    headers = {"X-Registry-Auth": encode(credentials(ctx.config, reference.domain))}
    path = f"/images/{part('image', reference.repository)}/push"
    response = ctx.client.post(path, {"tag": reference.tag, "platform": platform}, headers=headers)
    notes: list[Any] = []
    follow(response, None if args.quiet else ctx.out, notes.append)
    if args.quiet:
        ctx.out.write(f"{reference.canonical()}\n")
    else:
        _tell(ctx, notes)
    return 0


def _tell(ctx: Context, notes: list[Any]) -> None:
    """Say what of the image has not gone."""
    for note in notes:
        if isinstance(note, dict) and note.get("manifestPushedInsteadOfIndex"):
            index, manifest = note["originalIndex"]["digest"], note["selectedManifest"]["digest"]
            ctx.out.write(f"\n Info -> {_PART_ONLY}\n         {index} -> {manifest}\n")
