"""``havre manifest create``: begin a list of images, to be annotated and pushed."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a local manifest list for annotating and pushing to a registry"
USAGE = "havre manifest create MANIFEST_LIST MANIFEST [MANIFEST...]"


def configure(parser: Parser) -> None:
    from havre.cli.parser import MANY

    parser.flag("amend", "a", "bool", "Amend an existing manifest list")
    parser.flag("insecure", "", "bool", "Allow communication with an insecure registry")
    parser.arity(2, MANY)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.manifests import fetch, named, registry_of, single
    from havre.cli.manifeststore import ManifestStore

    store = ManifestStore(ctx.config)
    target = named(args.args[0], f"error parsing name for manifest list {args.args[0]}: ")
    if store.exists(target) and not args.amend:
        raise CommandError("refusing to amend an existing manifest list with no --amend flag")
    for text in args.args[1:]:
        name = named(text)
        found = store.get(target, name) or single(fetch(registry_of(ctx, name, args.insecure), name), name)
        store.save(target, name, found)
    ctx.out.write(f"Created manifest list {target.canonical()}\n")
    return 0
