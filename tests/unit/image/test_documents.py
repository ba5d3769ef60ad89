"""Manifests and indexes that name each other."""

from pathlib import Path

from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.documents import Documents
from havre.image.manifest import OCI_INDEX, Descriptor, Index, encode
from havre.store.layout import Layout


async def test_an_index_comes_after_all_that_it_lists(tmp_path: Path) -> None:
    """Registries refuse one that names what they do not have."""
    layout = Layout(tmp_path / "data", tmp_path / "run")
    layout.prepare()
    blobs = BlobStore(layout)

    async def index(*listed: Descriptor) -> Descriptor:
        data = encode(Index(media_type=OCI_INDEX, manifests=list(listed)))
        await blobs.add(data, digests.of(data))
        return Descriptor(media_type=OCI_INDEX, digest=digests.of(data), size=len(data))

    inner = await index()
    outer = await index(inner)
    both = await index(inner, outer)
    documents = Documents(blobs)
    assert documents.load(both.digest) is not None
    assert [each.descriptor.digest for each in documents.indexes(both.digest)] == [
        inner.digest,
        outer.digest,
        both.digest,
    ]
