"""``havre manifest rm``: forget lists that were made here."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Delete one or more manifest lists from local storage"
USAGE = "havre manifest rm MANIFEST_LIST [MANIFEST_LIST...]"


def configure(parser: Parser) -> None:
    from havre.cli.parser import MANY

    parser.arity(1, MANY)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.manifests import named
    from havre.cli.manifeststore import ManifestStore

    store = ManifestStore(ctx.config)
    failures = []
    for text in args.args:
        try:
            target = named(text)
        except CommandError as error:
            failures.append(error.message)
            continue
        if not store.exists(target):
            failures.append(f"No such manifest: {target.canonical()}")
            continue
        store.remove(target)
    if failures:
        raise CommandError("\n".join(failures))
    return 0
