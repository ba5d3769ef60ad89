"""Which platforms of an image, and which index, ``docker save`` writes. ``Images`` comes in here."""

from collections.abc import Sequence

from havre.errors import NotFound
from havre.image.documents import Leaf
from havre.image.manifest import Descriptor, Index, Manifest, Platform, best
from havre.image.save import Selection
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference


def select(images: ImageStore, image: Image, tag: Reference | None, platforms: Sequence[Platform]) -> Selection:
    """``image`` as it is saved under ``tag``.

    Its index goes with it when that leads to several images of the archive, or to nothing that is missing there.
    Raises ``NotFound`` when one of ``platforms`` is not here.
    """
    tags = (tag,) if tag is not None else ()
    ref = tag.canonical() if tag is not None else image.id
    variants = images.variants(ref)
    if platforms:
        variants = list({each.id: each for each in (_for(variants, platform) for platform in platforms)}.values())
    document = images.documents.get(images.target(ref))
    if document is None or not isinstance(document.body, Index):
        return Selection(variants[0], tags)
    leaves = images.documents.leaves(document.descriptor.digest)
    manifests = _manifests(leaves, {each.id for each in variants})
    whole = not platforms and len(manifests) == len(leaves)
    if len(variants) == 1 and not whole:
        return Selection(variants[0], tags)
    indexes = tuple(index.descriptor for index in images.documents.indexes(document.descriptor.digest))
    return Selection(variants[0], tags, document.descriptor, indexes, manifests)


def _for(variants: Sequence[Image], platform: Platform) -> Image:
    number = best(platform, {number: each.config.platform for number, each in enumerate(variants)})
    if number is None:
        raise NotFound(f"no suitable export target found for platform {platform}")
    return variants[number]


def _manifests(leaves: Sequence[Leaf], ids: set[str]) -> tuple[tuple[Descriptor, Manifest], ...]:
    """The manifests of the images ``ids``, and what is said about these."""
    found = [(leaf, leaf.manifest) for leaf in leaves if leaf.manifest is not None]
    chosen = {leaf.descriptor.digest for leaf, manifest in found if manifest.config.digest in ids}
    listed = {leaf.descriptor.digest for leaf in leaves if leaf.kind == "image"}
    return tuple(
        (leaf.descriptor, manifest)
        for leaf, manifest in found
        if leaf.descriptor.digest in chosen
        or (leaf.kind != "image" and (leaf.refers_to in chosen or leaf.refers_to not in listed))
    )
