"""What an index says about an image beside it: attestations (provenance, bills of materials). Pulls come in here.

They are fetched along with the image they are about, so that its index can be pushed on as it was.
"""

import logging

from havre.errors import HavreError
from havre.image.blobs import BlobStore
from havre.image.documents import Leaf
from havre.image.manifest import Descriptor, Index, Manifest
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.resolve import Chosen, Source
from havre.lib.references import Reference

log = logging.getLogger(__name__)

_LARGEST = 16 << 20  # bytes of one attestation; it is held in memory
_MOST = 8  # attestations of one image


async def fetch(source: Source, reference: Reference, chosen: Chosen, blobs: BlobStore) -> None:
    """Store what the index of ``chosen`` says about it. The image is whole without: a failure is only logged."""
    for listed in _about(chosen)[:_MOST]:
        try:
            await _fetch(source, reference, listed, blobs)
        except (RemoteFailure, HavreError) as error:
            log.warning("attestation %s of %s: %s", listed.digest, reference.familiar(), error)


async def _fetch(source: Source, reference: Reference, listed: Descriptor, blobs: BlobStore) -> None:
    if blobs.exists(listed.digest):
        return
    found, _ = await source.find(reference.with_digest(listed.digest))
    if not isinstance(found.document, Manifest):
        return
    parts = [found.document.config, *found.document.layers]
    if sum(part.size for part in parts) > _LARGEST:
        raise RemoteFailure(f"larger than {_LARGEST} bytes")
    for part in parts:
        if not blobs.exists(part.digest):
            await blobs.add(await source.content(part, part.size), part.digest)
    # Last: a manifest that is here has its blobs here.
    await blobs.add(found.body, listed.digest)


def _about(chosen: Chosen) -> list[Descriptor]:
    """The attestations that stand beside ``chosen`` in its index."""
    return [
        listed
        for document in chosen.documents
        if isinstance(document.document, Index)
        for listed in document.document.manifests
        if Leaf(listed, None).kind == "attestation" and Leaf(listed, None).refers_to == chosen.descriptor.digest
    ]
