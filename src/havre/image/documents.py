"""The manifests and indexes that are here, each read once: what a name stands for, down to the last blob.

The image store comes in here. A registry's index is kept whole, with those of its manifests that were fetched; what
else it lists is known by its descriptor only.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from havre.errors import HavreError
from havre.image import manifest as manifests
from havre.image.blobs import BlobStore
from havre.image.manifest import Descriptor, Index, Manifest

log = logging.getLogger(__name__)

_DEEPEST = 4  # indexes within indexes
_REFERS_TO = "vnd.docker.reference.digest"
_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
_IMAGE_CONFIGS = frozenset({manifests.OCI_CONFIG, manifests.DOCKER_CONFIG})
_OLD_CONFIGS = frozenset({"application/octet-stream", "application/json", "text/html", ""})


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index, and how to refer to it."""

    descriptor: Descriptor
    body: Manifest | Index


@dataclass(frozen=True, slots=True)
class Leaf:
    """A manifest that an index lists (or that stands alone); ``manifest`` is None while it is not here."""

    descriptor: Descriptor
    manifest: Manifest | None

    @property
    def kind(self) -> str:
        """``image``, ``attestation`` or ``unknown`` (an artifact), as the API calls them."""
        key, value = _ATTESTATION
        if (self.descriptor.annotations or {}).get(key) == value:
            return "attestation"
        if self.manifest is None:
            return "unknown" if self.descriptor.platform is None or self.descriptor.artifact_type else "image"
        media_type = self.manifest.config.media_type
        return "image" if media_type in _IMAGE_CONFIGS | _OLD_CONFIGS else "unknown"

    @property
    def refers_to(self) -> str | None:
        """The manifest that this one says something about."""
        return (self.descriptor.annotations or {}).get(_REFERS_TO)


class Documents:
    """Every manifest and index of a daemon, in memory."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: dict[str, Document] = {}

    def load(self, digest: str, media_type: str = "", depth: int = 0) -> Document | None:
        """Take in what is stored under ``digest``, and below it; None when nothing is, or nothing that can be read."""
        known = self._known.get(digest)
        if known is None:
            if not self._blobs.exists(digest):
                return None
            try:
                data = self._blobs.read(digest, manifests.LARGEST_MANIFEST)
                body = manifests.decode(data, media_type)
            except HavreError as error:
                log.warning("%s is no manifest: %s", digest, error)
                return None
            known = self._known[digest] = Document(_descriptor(digest, len(data), body, media_type), body)
        if isinstance(known.body, Index) and depth < _DEEPEST:
            for child in known.body.manifests:
                if child.media_type in manifests.MANIFESTS | manifests.INDEXES:
                    self.load(child.digest, child.media_type, depth + 1)
        return known

    def get(self, digest: str | None) -> Document | None:
        """The document, if it is here."""
        return self._known.get(digest) if digest is not None else None

    def forget(self, digest: str) -> None:
        """The blob ``digest`` has been deleted."""
        self._known.pop(digest, None)

    def leaves(self, digest: str | None) -> list[Leaf]:
        """The manifests that ``digest`` comes down to, in the order of the index; those that are not here as well."""
        found: dict[str, Leaf] = {}
        if (document := self.get(digest)) is not None:
            self._walk(document.descriptor, found, set(), 0)
        return list(found.values())

    def _walk(self, descriptor: Descriptor, found: dict[str, Leaf], seen: set[str], depth: int) -> None:
        if descriptor.digest in seen or depth > _DEEPEST:
            return
        seen.add(descriptor.digest)
        document = self._known.get(descriptor.digest)
        if document is None or isinstance(document.body, Manifest):
            found[descriptor.digest] = Leaf(descriptor, document.body if document else None)  # type: ignore[arg-type]
            return
        for child in document.body.manifests:
            self._walk(child, found, seen, depth + 1)

    def indexes(self, digest: str) -> list[Document]:
        """The index ``digest`` and those within it, each after all that it lists; none for a manifest."""
        found: dict[str, Document] = {}
        self._collect(digest, found, 0)
        return list(found.values())

    def _collect(self, digest: str, found: dict[str, Document], depth: int) -> None:
        document = self._known.get(digest)
        if document is None or digest in found or depth > _DEEPEST or isinstance(document.body, Manifest):
            return
        for child in document.body.manifests:
            self._collect(child.digest, found, depth + 1)
        found[digest] = document

    def needed(self, digest: str, has_image: Callable[[str], bool]) -> set[str]:
        """The content that keeping ``digest`` means to keep.

        Manifests of images count while ``has_image`` knows their configuration, what is said about an image as long
        as that image counts.
        """
        needed = {index.descriptor.digest for index in self.indexes(digest)}
        leaves = self.leaves(digest)
        images = {leaf.descriptor.digest for leaf in leaves if leaf.kind == "image"}
        kept = {
            leaf.descriptor.digest
            for leaf in leaves
            if leaf.kind == "image" and leaf.manifest is not None and has_image(leaf.manifest.config.digest)
        }
        for leaf in leaves:
            about = leaf.refers_to
            if leaf.manifest is None or (leaf.kind == "image" and leaf.descriptor.digest not in kept):
                continue
            if about in images and about not in kept:
                continue
            needed |= {leaf.descriptor.digest, *blobs_of(leaf.manifest)}
        return needed


def blobs_of(manifest: Manifest) -> list[str]:
    """The digests of what a manifest names: its configuration and its layers."""
    return [manifest.config.digest, *(layer.digest for layer in manifest.layers)]


def _descriptor(digest: str, size: int, body: Manifest | Index, media_type: str) -> Descriptor:
    if not media_type or body.media_type:
        default = manifests.OCI_MANIFEST if isinstance(body, Manifest) else manifests.OCI_INDEX
        media_type = body.media_type or default
    return Descriptor(media_type=media_type, digest=digest, size=size)
