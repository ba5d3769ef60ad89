"""``docker load``: images from an archive, in the form of ``docker save`` (old and new) or as an OCI layout.

The engine comes in here. Nothing is believed: every file is hashed on arrival, a configuration must be what its name
says where its name says something, a layer what the configuration says, and a blob what its descriptor says.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import msgspec

from havre.errors import InvalidParameter
from havre.image import config as configs
from havre.image import intake, manifest
from havre.image.blobs import BlobStore
from havre.image.digest import DigestMismatch, chain_ids
from havre.image.intake import File, Intake
from havre.image.layers import LayerStore
from havre.image.manifest import Descriptor, Index, Manifest
from havre.image.store import Image, ImageStore
from havre.lib import references
from havre.lib.references import Reference
from havre.lib.tasks import TaskOwner

_LARGEST_JSON = 16 << 20
_MOST_NESTED = 4
_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image the archive held: its names there, and which of them another image lost to it."""

    image: Image
    names: tuple[Reference, ...]
    taken: tuple[tuple[Reference, str], ...]


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """``current`` of ``total`` bytes of the layer ``diff_id`` are unpacked."""

    diff_id: str
    current: int
    total: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An image as the archive describes it. Each layer is a file and what it is to be kept as, bottom first."""

    config: File
    layers: list[tuple[File, Descriptor]]
    names: tuple[Reference, ...]
    manifest: tuple[File, Descriptor] | None = None


class Loader:
    """Loads archives into the stores it is given."""

    def __init__(self, blobs: BlobStore, layers: LayerStore, images: ImageStore) -> None:
        self._blobs = blobs
        self._layers = layers
        self._images = images
        self._tasks = TaskOwner("load")

    async def load(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[LayerProgress | Loaded]:
        """Take in the archive ``chunks`` and yield what happens. An image is durable when its ``Loaded`` comes.

        Raises ``InvalidParameter`` for what is no sound archive; images already yielded stay.
        """
        adopted: set[str] = set()
        try:
            with self._images.hold():
                async with intake.files(chunks, self._blobs) as archive:
                    wanted = list(_described(archive))
                    if not wanted:
                        raise InvalidParameter("archive holds no image")
                    for each in wanted:
                        async for event in self._one(each, adopted):
                            yield event
        except BaseException:
            await self._images.abandon(adopted)
            raise

    async def _one(self, wanted: _Wanted, adopted: set[str]) -> AsyncIterator[LayerProgress | Loaded]:
        config = configs.parse(wanted.config.read(configs.LARGEST))
        if len(config.diff_ids) != len(wanted.layers):
            raise InvalidParameter(
                f"invalid manifest, layers length mismatch: expected {len(wanted.layers)}, got {len(config.diff_ids)}"
            )
        kept: list[Descriptor] = []
        parent: str | None = None
        for (file, described), diff_id, chain_id in zip(
            wanted.layers, config.diff_ids, chain_ids(config.diff_ids), strict=True
        ):
            known = self._images.kept_as(chain_id)
            if known is not None and (known.digest == described.digest or wanted.manifest is None):
                kept.append(known)
            else:
                adopted.add(described.digest)
                async for progress in self._unpack(parent, diff_id, file, described):
                    yield progress
                kept.append(described)
            parent = chain_id
        for small in filter(None, (wanted.config, wanted.manifest and wanted.manifest[0])):
            adopted.add(small.digest)
            await self._blobs.adopt(small.path, small.digest)
        before = {name: self._images.named(name) for name in wanted.names}
        image = await self._images.add(
            wanted.config.digest, kept, wanted.manifest[1] if wanted.manifest else None, wanted.names
        )
        taken = tuple((name, old.id) for name, old in before.items() if old is not None and old.id != image.id)
        yield Loaded(image, wanted.names, taken)

    async def _unpack(
        self, parent: str | None, diff_id: str, file: File, described: Descriptor
    ) -> AsyncIterator[LayerProgress]:
        """Keep the blob and unpack it, side by side: one waits for the disk, the other works."""
        consumed: asyncio.Queue[int | None] = asyncio.Queue()
        failures: list[Exception] = []

        async def work() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._blobs.adopt(file.path, described.digest))
                    group.create_task(
                        self._layers.ensure(parent, diff_id, described, consumed.put_nowait, source=file.path)
                    )
            except* Exception as errors:
                failures.extend(errors.exceptions)
            finally:
                consumed.put_nowait(None)

        task = self._tasks.start(work(), f"unpack {diff_id}")
        try:
            while (current := await consumed.get()) is not None:
                yield LayerProgress(diff_id, current, file.size)
        finally:
            task.cancel()
            await asyncio.wait([task])
        if failures:
            raise failures[0]
        yield LayerProgress(diff_id, file.size, file.size)


def _described(archive: Intake) -> Iterator[_Wanted]:
    """The images of the archive, by its manifest.json if there is one, else by its index.json."""
    if (file := archive.find("manifest.json")) is not None:
        try:
            entries = msgspec.json.decode(file.read(_LARGEST_JSON), type=list[_Entry])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidParameter(f"invalid manifest.json: {error}") from None
        manifests = _manifests_by_config(archive)
        for entry in entries:
            yield _from_entry(archive, entry, manifests)
    elif (file := archive.find("index.json")) is not None:
        yield from _from_layout(archive, file)
    else:
        raise InvalidParameter("archive has neither a manifest.json nor an index.json: it is no saved image")


class _Entry(msgspec.Struct, rename="pascal"):
    """One image in Docker's manifest.json."""

    config: str
    layers: list[str] | None = None
    repo_tags: list[str] | None = None


def _from_entry(archive: Intake, entry: _Entry, manifests: dict[str, "_Found"]) -> _Wanted:
    config = _file(archive, entry.config)
    named = entry.config.rpartition("/")[2].removesuffix(".json")
    if len(named) == 64 and config.digest != f"sha256:{named}":
        raise DigestMismatch(f"configuration {entry.config} has the digest {config.digest}")
    layers = [(file := _file(archive, name), _as_layer(file)) for name in entry.layers or ()]
    names = tuple(_tagged(text) for text in entry.repo_tags or ())
    found = manifests.get(config.digest)
    if found is None or [layer.digest for layer in found.manifest.layers] != [file.digest for file, _ in layers]:
        return _Wanted(config, layers, names)
    layers = [(file, layer) for (file, _), layer in zip(layers, found.manifest.layers, strict=True)]
    return _Wanted(config, layers, names, (found.file, found.descriptor))


@dataclass(frozen=True, slots=True)
class _Found:
    """A manifest in the archive."""

    file: File
    descriptor: Descriptor
    manifest: Manifest


def _manifests_by_config(archive: Intake) -> dict[str, _Found]:
    """The OCI manifests that came beside a manifest.json, which knows nothing of them, by their configurations."""
    index = archive.find("index.json")
    return {found.manifest.config.digest: found for found in _leaves(archive, _index(index))} if index else {}


def _from_layout(archive: Intake, file: File) -> Iterator[_Wanted]:
    """Images with several names stand in the index several times."""
    wanted: dict[str, _Wanted] = {}
    index = _index(file)
    for descriptor in index.manifests:
        name = _layout_name(descriptor)
        found = _chosen(archive, descriptor)
        key = found.descriptor.digest
        if key not in wanted:
            layers = [(_blob(archive, layer), layer) for layer in found.manifest.layers]
            config = _blob(archive, found.manifest.config)
            wanted[key] = _Wanted(config, layers, (), (found.file, found.descriptor))
        if name is not None and name not in wanted[key].names:
            wanted[key] = replace(wanted[key], names=(*wanted[key].names, name))
    yield from wanted.values()


def _chosen(archive: Intake, descriptor: Descriptor) -> _Found:
    """The manifest ``descriptor`` is, or the one for this host among those it lists."""
    for _ in range(_MOST_NESTED):
        file = _blob(archive, descriptor)
        decoded = _decoded(file, descriptor)
        if isinstance(decoded, Manifest):
            return _Found(file, _bare(descriptor), decoded)
        descriptor = manifest.choose(decoded, None)
    raise InvalidParameter("image index is nested too deeply")


def _leaves(archive: Intake, index: Index, depth: int = 0) -> Iterator[_Found]:
    for descriptor in index.manifests:
        file = archive.find(_blob_name(descriptor.digest))
        if file is None:
            continue  # an index may list platforms the archive leaves out
        _verify(file, descriptor)
        decoded = _decoded(file, descriptor)
        if isinstance(decoded, Manifest):
            yield _Found(file, _bare(descriptor), decoded)
        elif depth < _MOST_NESTED:
            yield from _leaves(archive, decoded, depth + 1)


def _index(file: File) -> Index:
    decoded = manifest.decode(file.read(_LARGEST_JSON), manifest.OCI_INDEX)
    if not isinstance(decoded, Index):
        raise InvalidParameter("index.json is no image index")
    return decoded


def _decoded(file: File, descriptor: Descriptor) -> Manifest | Index:
    return manifest.decode(file.read(manifest.LARGEST_MANIFEST), descriptor.media_type)


def _layout_name(descriptor: Descriptor) -> Reference | None:
    """containerd writes the whole name; others write it, or only a tag (which names nothing alone), as the ref name."""
    annotations = descriptor.annotations or {}
    if _NAME in annotations:
        return _tagged(annotations[_NAME])
    text = annotations.get(_REF_NAME, "")
    return _tagged(text) if ":" in text or "/" in text else None


def _tagged(text: str) -> Reference:
    try:
        name = references.parse(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid tag {text!r}: {error}") from None
    if name.tag is None:
        raise InvalidParameter(f"invalid tag {text!r}")
    return name.with_tag(name.tag)


def _file(archive: Intake, name: str) -> File:
    file = archive.find(name)
    if file is None:
        raise InvalidParameter(f"archive lacks {name}, which its manifest names")
    return file


def _blob(archive: Intake, descriptor: Descriptor) -> File:
    file = _file(archive, _blob_name(descriptor.digest))
    _verify(file, descriptor)
    return file


def _verify(file: File, descriptor: Descriptor) -> None:
    found = file.digest_like(descriptor.digest)
    if found != descriptor.digest or file.size != descriptor.size:
        raise DigestMismatch(
            f"{descriptor.digest} ({descriptor.size} bytes) is {found} ({file.size} bytes) in the archive"
        )


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _as_layer(file: File) -> Descriptor:
    with file.path.open("rb") as opened:
        head = opened.read(4)
    kinds = {b"\x1f\x8b": manifest.OCI_LAYER_GZIP, b"\x28\xb5": manifest.OCI_LAYER_ZSTD}
    return Descriptor(media_type=kinds.get(head[:2], manifest.OCI_LAYER), digest=file.digest, size=file.size)


def _bare(descriptor: Descriptor) -> Descriptor:
    """Without what belongs to the place it was found in: names and platform."""
    return Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)
