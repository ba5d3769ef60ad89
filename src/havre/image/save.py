"""``docker save``: images as one tar archive, an OCI layout with Docker's manifest.json and repositories beside it.

So both today's readers and those of ten years ago find their way. The engine comes in here.
"""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, BinaryIO

import msgspec

from havre.errors import SystemFault
from havre.image import made
from havre.image.blobs import BlobStore
from havre.image.documents import blobs_of
from havre.image.manifest import OCI_INDEX, Descriptor, Index, Manifest, encode
from havre.image.store import Image
from havre.lib.references import Reference

# What a client that does not read makes the daemon hold.
_CHUNK = 512 << 10


@dataclass(frozen=True, slots=True)
class Selection:
    """An image to save, and the tags to save it under (none: by its id only).

    With an ``index`` (and those within it, ``indexes``) also ``manifests`` of other platforms go, and what is said of
    images.
    """

    image: Image
    tags: tuple[Reference, ...]
    index: Descriptor | None = None
    indexes: tuple[Descriptor, ...] = ()
    manifests: tuple[tuple[Descriptor, Manifest], ...] = ()


class Saver:
    """Writes images of the blob store it is given."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def save(self, selected: Sequence[Selection]) -> AsyncIterator[bytes]:
        """The archive, in pieces. Its bytes depend on nothing but the images and their order."""
        for each in selected:
            self._check(each.image)
        listed: list[Descriptor] = []
        entries: list[dict[str, Any]] = []
        repositories: dict[str, dict[str, str]] = {}
        written: set[str] = set()
        yield _directory("blobs/")
        yield _directory("blobs/sha256/")
        for each in selected:
            image = each.image
            described, document = made.manifest_of(image, self._blobs)
            mtime = _seconds(image.config.created)
            contents: list[tuple[str, bytes | None]] = [(layer.digest, None) for layer in image.layers]
            for other, manifest in each.manifests:
                if not all(map(self._blobs.exists, blobs_of(manifest))):
                    continue  # its layers are kept as other blobs than it lists
                contents += [(digest, None) for digest in (*blobs_of(manifest), other.digest)]
            contents += [(index.digest, None) for index in each.indexes]
            for digest, data in [*contents, (image.id, None), (described.digest, document)]:
                if digest not in written:
                    written.add(digest)
                    async for piece in self._member(_path(digest), data or self._blobs.open(digest), mtime):
                        yield piece
            listed += _named(each.index or described, each.tags)
            entries.append(_entry(image, each.tags))
            for tag in each.tags:
                top = image.config.diff_ids[-1] if image.config.diff_ids else image.id
                repositories.setdefault(tag.familiar_name, {})[tag.tag or ""] = top.partition(":")[2]
        trailer = {
            "index.json": encode(Index(media_type=OCI_INDEX, manifests=listed)),
            "manifest.json": msgspec.json.encode(entries),
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            **({"repositories": msgspec.json.encode(repositories)} if repositories else {}),
        }
        for name, data in trailer.items():
            async for piece in self._member(name, data, 0):
                yield piece
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _check(self, image: Image) -> None:
        for digest in (image.id, *(layer.digest for layer in image.layers)):
            if not self._blobs.exists(digest):
                name = image.repo_tags[0] if image.repo_tags else image.id
                raise SystemFault(f"content of {name} is gone: {digest} (pull or load the image again)")

    async def _member(self, name: str, content: bytes | BinaryIO, mtime: int) -> AsyncIterator[bytes]:
        file = BytesIO(content) if isinstance(content, bytes) else content
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            yield _header(name, tarfile.REGTYPE, 0o644, size, mtime)
            while data := await asyncio.to_thread(file.read, _CHUNK):
                yield data
        yield bytes(-size % tarfile.BLOCKSIZE)


def _named(described: Descriptor, tags: tuple[Reference, ...]) -> list[Descriptor]:
    """The manifest's places in the index: one a tag, so that both kinds of reader find the names."""
    return [
        msgspec.structs.replace(
            described,
            annotations={
                "io.containerd.image.name": tag.canonical(),
                "org.opencontainers.image.ref.name": tag.tag or "",
            },
        )
        for tag in tags
    ] or [described]


def _entry(image: Image, tags: tuple[Reference, ...]) -> dict[str, Any]:
    return {
        "Config": _path(image.id),
        "RepoTags": [tag.familiar() for tag in tags] or None,
        "Layers": [_path(layer.digest) for layer in image.layers],
        "LayerSources": {
            diff_id: {"mediaType": layer.media_type, "size": layer.size, "digest": layer.digest}
            for diff_id, layer in zip(image.config.diff_ids, image.layers, strict=True)
        },
    }


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _directory(name: str) -> bytes:
    return _header(name, tarfile.DIRTYPE, 0o755, 0, 0)


def _header(name: str, kind: bytes, mode: int, size: int, mtime: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, mtime
    return info.tobuf(tarfile.GNU_FORMAT)  # a size over 8 GiB goes into the header itself


def _seconds(created: str | None) -> int:
    """Unix time of a configuration's creation date; 0 when it has none that can be read."""
    try:
        return max(0, int(datetime.fromisoformat(created).timestamp())) if created else 0
    except (ValueError, OverflowError):
        return 0
