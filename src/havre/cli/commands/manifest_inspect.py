"""``havre manifest inspect``: an image's manifest, or a list of them."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Display an image manifest, or manifest list"
USAGE = "havre manifest inspect [OPTIONS] [MANIFEST_LIST] MANIFEST"


def configure(parser: Parser) -> None:
    parser.flag("insecure", "", "bool", "Allow communication with an insecure registry")
    parser.flag("verbose", "v", "bool", "Output additional info including layers and platform")
    parser.arity(1, 2)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.manifests import fetch, named, registry_of, show, show_all
    from havre.cli.manifeststore import ManifestStore

    store, name = ManifestStore(ctx.config), named(args.args[-1])
    if len(args.args) == 2:
        found = store.get(named(args.args[0]), name)
        if found is None:
            raise CommandError(f"No such manifest: {name.canonical()}")
        ctx.out.write(show(found, args.verbose))
        return 0
    images = store.all(name) or fetch(registry_of(ctx, name, args.insecure), name)
    if isinstance(images, list):
        ctx.out.write(show_all(images, name, args.verbose))
    else:
        ctx.out.write(show(images, args.verbose))
    return 0
