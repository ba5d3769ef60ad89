"""What a push sends for one name: the index or the manifest it stands for, or one made for an image that has none.

``push`` comes in here.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from havre.errors import Conflict
from havre.image import made
from havre.image.blobs import BlobStore
from havre.image.compressing import PLAIN
from havre.image.documents import Document, Leaf, blobs_of
from havre.image.manifest import Descriptor, Manifest, Platform, best, host_platform
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference


@dataclass(slots=True)
class Plan:
    """``blobs`` (each with what its row is called, None: none) come before ``manifests``, and these in their order.

    The last manifest is what the name stands for over there. ``note`` tells the client of what is left out.
    """

    manifests: list[tuple[Descriptor, bytes]] = field(default_factory=list)
    blobs: dict[str, tuple[Descriptor, str | None]] = field(default_factory=dict)
    note: dict[str, Any] | None = None

    @property
    def root(self) -> Descriptor:
        return self.manifests[-1][0]

    def take(self, manifest: Manifest, diff_ids: tuple[str, ...] = ()) -> None:
        """Plan the blobs of ``manifest``, its layers called by their diff ids where those are known."""
        names = diff_ids if len(diff_ids) == len(manifest.layers) else [layer.digest for layer in manifest.layers]
        for layer, name in zip(manifest.layers, names, strict=True):
            self.blobs.setdefault(layer.digest, (layer, name.partition(":")[2][:12]))
        self.blobs.setdefault(manifest.config.digest, (manifest.config, None))


class Planner:
    """Makes plans from the stores it is given."""

    def __init__(self, blobs: BlobStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._images = images

    def plan(self, reference: Reference, platform: Platform | None) -> Plan | Image:
        """What goes for ``reference``; an image when a manifest has to be made for it (``made``).

        That is one which came without, uncompressed, or with other blobs than those kept of its layers. ``Conflict``
        when an index is not here in full and several of its platforms are, none of them this host's.
        """
        image = self._images.resolve(reference.canonical(), platform)
        target = self._images.target(reference.canonical())
        document = self._images.documents.get(target)
        if document is None:
            manifest = self._images.documents.get(image.manifest.digest) if image.manifest is not None else None
            plain = any(layer.media_type in PLAIN for layer in image.layers)
            leaf = _leaf(manifest)
            return image if plain or leaf is None or not self._here(leaf) else self._single(leaf)
        if (leaf := _leaf(document)) is not None:
            return self._single(leaf) if self._here(leaf) else image
        leaves = self._images.documents.leaves(document.descriptor.digest)
        if platform is None and all(self._here(leaf) for leaf in leaves):
            return self._whole(document, leaves)
        chosen = self._chosen(leaves, platform)
        if chosen is None:
            return image
        plan = self._single(chosen)
        if platform is None:
            plan.note = {
                "manifestPushedInsteadOfIndex": True,
                "originalIndex": msgspec.to_builtins(document.descriptor),
                "selectedManifest": msgspec.to_builtins(chosen.descriptor),
            }
        return plan

    def made(self, image: Image, layers: list[Descriptor]) -> Plan:
        """The plan for an image with these layers and no manifest of its own."""
        descriptor, data = made.manifest_over(image, self._blobs, layers)
        plan = Plan([(descriptor, data)])
        plan.take(msgspec.json.decode(data, type=Manifest), image.config.diff_ids)
        return plan

    def _chosen(self, leaves: list[Leaf], platform: Platform | None) -> Leaf | None:
        """The manifest to push of an index that does not go whole; None when that is not here in full."""
        here = [leaf for leaf in leaves if leaf.kind == "image" and self._here(leaf)]
        if platform is None and len(here) == 1:
            return here[0]
        wanted = platform or host_platform()
        offered = {number: self._platform(leaf) for number, leaf in enumerate(here)}
        number = best(wanted, offered)
        if number is None and platform is None and here:
            raise Conflict("multiple matching manifests found but no specific platform requested")
        return here[number] if number is not None else None

    def _single(self, leaf: Leaf) -> Plan:
        assert leaf.manifest is not None
        described = leaf.descriptor
        bare = Descriptor(media_type=described.media_type, digest=described.digest, size=described.size)
        plan = Plan([(bare, self._blobs.read(described.digest, described.size))])
        plan.take(leaf.manifest, self._diff_ids(leaf.manifest))
        return plan

    def _whole(self, document: Document, leaves: list[Leaf]) -> Plan:
        plan = Plan()
        for leaf in leaves:
            one = self._single(leaf)
            plan.manifests += one.manifests
            for digest, planned in one.blobs.items():
                plan.blobs.setdefault(digest, planned)
        for index in self._images.documents.indexes(document.descriptor.digest):
            data = self._blobs.read(index.descriptor.digest, index.descriptor.size)
            plan.manifests.append((index.descriptor, data))
        return plan

    def _here(self, leaf: Leaf) -> bool:
        return leaf.manifest is not None and all(self._blobs.exists(blob) for blob in blobs_of(leaf.manifest))

    def _platform(self, leaf: Leaf) -> Platform:
        image = self._images.get(leaf.manifest.config.digest) if leaf.manifest is not None else None
        return leaf.descriptor.platform or (image.config.platform if image is not None else Platform())

    def _diff_ids(self, manifest: Manifest) -> tuple[str, ...]:
        image = self._images.get(manifest.config.digest)
        return image.config.diff_ids if image is not None else ()


def _leaf(document: Document | None) -> Leaf | None:
    """The document as a manifest that stands alone; None if it is an index, or not here."""
    if document is None or not isinstance(document.body, Manifest):
        return None
    return Leaf(document.descriptor, document.body)
