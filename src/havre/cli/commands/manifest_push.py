"""``havre manifest push``: send a list to its registry, and into its repository what it lists of others there."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.manifests import ImageManifest
    from havre.cli.parser import Args, Parser
    from havre.client.registry import Registry
    from havre.lib.references import Reference

HELP = "Push a manifest list to a repository"
USAGE = "havre manifest push [OPTIONS] MANIFEST_LIST"


def configure(parser: Parser) -> None:
    parser.flag("insecure", "", "bool", "Allow push to an insecure registry")
    parser.flag("purge", "p", "bool", "Remove the local manifest list after push")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    """Blobs first, then the manifests that need them, then the list that needs those."""
    from havre.cli.manifests import list_of, named, registry_of
    from havre.cli.manifeststore import ManifestStore

    store, target = ManifestStore(ctx.config), named(args.args[0])
    images = store.all(target)
    if not images:
        raise CommandError(f"No such manifest: {target.canonical()}")
    document, kind = list_of(images, target)
    registry = registry_of(ctx, target, args.insecure)
    foreign = [image for image in images if image.reference.path != target.path]
    for image in foreign:
        _mount(registry, image, target)
    for image in foreign:
        there = target.with_digest(image.descriptor["digest"])
        digest = registry.put_manifest(target.path, there.digest or "", image.descriptor["mediaType"], image.raw)
        ctx.out.write(f"Pushed ref {there.canonical()} with digest: {digest}\n")
    pushed = registry.put_manifest(target.path, target.digest or target.tag or "", kind, document.encode())
    ctx.out.write(f"{pushed}\n")
    if args.purge:
        store.remove(target)
    return 0


def _mount(registry: Registry, image: ImageManifest, target: Reference) -> None:
    for digest in image.blobs():
        if not registry.mount(target.path, digest, image.reference.path):
            blob = image.reference.with_digest(digest)
            raise CommandError(f"error mounting {blob.canonical()} to {target.canonical()}")
