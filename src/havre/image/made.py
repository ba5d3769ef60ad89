"""The manifest of an image that came without one (committed, imported, loaded from an old archive).

Save, push and the listing of manifests come in here: the same image has the same manifest in all of them.
"""

from collections.abc import Sequence

from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Manifest, encode
from havre.image.store import Image


def manifest_of(image: Image, blobs: BlobStore) -> tuple[Descriptor, bytes]:
    """The manifest the image came with, or else one made of its layers as they are kept."""
    if image.manifest is not None and blobs.exists(image.manifest.digest):
        return image.manifest, blobs.read(image.manifest.digest, image.manifest.size)
    return manifest_over(image, blobs, image.layers)


def manifest_over(image: Image, blobs: BlobStore, layers: Sequence[Descriptor]) -> tuple[Descriptor, bytes]:
    """A manifest of the image with these blobs as its layers. Its bytes depend on nothing else."""
    config = Descriptor(media_type=OCI_CONFIG, digest=image.id, size=blobs.size(image.id))
    data = encode(Manifest(media_type=OCI_MANIFEST, config=config, layers=list(layers)))
    return Descriptor(media_type=OCI_MANIFEST, digest=digests.of(data), size=len(data)), data
