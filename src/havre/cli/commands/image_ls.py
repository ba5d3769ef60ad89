"""``havre images``: list images."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.errors import CommandError
from havre.cli.format import FORMAT_HELP, chosen, show
from havre.cli.format_images import COLUMNS, COLUMNS_WITH_DIGEST, listing, raw, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List images"
USAGE = "havre images [OPTIONS] [REPOSITORY[:TAG]]"

# What people type after `images` when they mean `image`.
_SUBCOMMANDS = ("build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push", "rm", "tag")


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Show all images (default hides intermediate images)")
    parser.flag("digests", "", "bool", "Show digests")
    filterflag.declare(parser, "f")
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("no-trunc", "", "bool", "Don't truncate output")
    parser.flag("quiet", "q", "bool", "Only show image IDs")
    parser.flag("tree", "", "bool", "List multi-platform images as a tree (EXPERIMENTAL)")
    parser.arity(0, 1)


def run(args: Args, ctx: Context) -> int:
    if args.tree:
        _refuse(args)
    name = args.args[0] if args.args else ""
    pairs = [*args.filter, ("reference", name)] if name else args.filter
    query = {"all": args.all or None, "filters": filterflag.collected(pairs)}
    if args.tree:
        from havre.cli.imagetree import show as show_tree

        show_tree(ctx.client.get("/images/json", {**query, "manifests": True}).json(), ctx.out)
        return 0
    images = ctx.client.get("/images/json", query).json()
    source = _source(chosen(args.format, ctx.config.text("imagesFormat"), args.quiet), args.quiet, args.digests)
    per_digest = args.digests or "{{.Digest}}" in source
    found = list(rows(images, not args.no_trunc, digests=args.digests, per_digest=per_digest))
    show(ctx, listing(COLUMNS_WITH_DIGEST if args.digests else COLUMNS), found, source)
    if not images and ctx.command == "images" and name in _SUBCOMMANDS:
        ctx.err.write(f'\nNo images found matching "{name}": did you mean "havre image {name}"?\n')
    return 0


def _refuse(args: Args) -> None:
    """What makes no sense for a tree; as with docker, one such flag is an error."""
    given = {"quiet": args.quiet, "no-trunc": args.no_trunc, "show-digest": args.digests, "format": bool(args.format)}
    for flag, value in given.items():
        if value:
            raise CommandError(f"--{flag} is not yet supported with --tree")


def _source(source: str, quiet: bool, digests: bool) -> str:
    if source == "raw":
        return "image_id: {{.ID}}" if quiet else raw(digests=digests)
    if digests and source.startswith("table ") and "{{.Digest}}" not in source:
        return f"{source}\t{{{{.Digest}}}}"
    return source
