"""The manifests that an image's names stand for, as the API shows them: platforms, what of them is here, attestations.

``ImageListing`` comes in here. Shapes: ``ImageManifestSummary`` and ``OCIDescriptor`` of Engine API 1.48 and later.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from havre.image import made
from havre.image.blobs import BlobStore
from havre.image.documents import Leaf, blobs_of
from havre.image.manifest import Descriptor, Manifest, Platform
from havre.image.store import Image, ImageStore

Json = dict[str, Any]


class ImageUsers(Protocol):
    """Knows the containers."""

    def users_of(self, image_id: str) -> Sequence[tuple[str, bool]]:
        """The containers made from the image: their ids, and whether each runs."""


class ManifestListing:
    """Reads the image store's indexes for people."""

    def __init__(self, images: ImageStore, blobs: BlobStore, users: ImageUsers) -> None:
        self._images = images
        self._blobs = blobs
        self._users = users

    def descriptor(self, image: Image) -> Json:
        """What the image's names stand for: an index, or its manifest."""
        found = self._images.documents.get(self._images.target(image.id))
        return shown(found.descriptor if found else made.manifest_of(image, self._blobs)[0])

    def summaries(self, image: Image) -> list[Json]:
        """Every manifest behind the image's names, in the order of their index."""
        target = self._images.target(image.id)
        leaves = self._images.documents.leaves(target)
        if not leaves:
            descriptor, data = made.manifest_of(image, self._blobs)
            leaves = [Leaf(descriptor, msgspec.json.decode(data, type=Manifest))]
        return [self._summary(leaf) for leaf in leaves]

    def _summary(self, leaf: Leaf) -> Json:
        manifest = leaf.manifest
        image = self._images.get(manifest.config.digest) if manifest is not None else None
        blobs = [] if manifest is None else [leaf.descriptor.digest, *blobs_of(manifest)]
        here = [digest for digest in dict.fromkeys(blobs) if self._blobs.exists(digest)]
        content = sum(self._blobs.size(digest) for digest in here)
        kind = leaf.kind
        # An image that was not unpacked cannot be used, whatever of it is here.
        whole = manifest is not None and len(here) >= len(set(blobs) - {leaf.descriptor.digest})
        summary: Json = {
            "ID": leaf.descriptor.digest,
            "Descriptor": shown(leaf.descriptor),
            "Available": whole and (image is not None or kind != "image"),
            "Size": {"Content": content, "Total": content},
            "Kind": kind,
        }
        if kind == "image":
            platform = leaf.descriptor.platform or (image.config.platform if image is not None else Platform())
            unpacked = image.size if image is not None else 0
            users = self._users.users_of(image.id) if image is not None else ()
            summary["Size"]["Total"] += unpacked
            summary["ImageData"] = {
                "Platform": shown_platform(platform),
                "Containers": [container_id for container_id, _ in users],
                "Size": {"Unpacked": unpacked},
            }
        elif kind == "attestation":
            summary["AttestationData"] = {"For": leaf.refers_to or ""}
        return summary


def shown(descriptor: Descriptor) -> Json:
    """The descriptor as the API has it."""
    found: Json = msgspec.to_builtins(descriptor)
    return found


def shown_platform(platform: Platform) -> Json:
    """The platform, with the two members that the API never leaves out."""
    return {"architecture": "", "os": "", **msgspec.to_builtins(platform)}
