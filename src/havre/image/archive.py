"""What an archive of images says is in it: Docker's manifest.json, an OCI layout's index.json, or both.

``load`` comes in here. Every file was hashed on arrival; a blob must be what its descriptor says, a configuration what
its name says where that says something.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from havre.errors import InvalidParameter
from havre.image import manifest
from havre.image.digest import DigestMismatch
from havre.image.documents import Leaf, blobs_of
from havre.image.intake import File, Intake
from havre.image.manifest import Descriptor, Index, Manifest
from havre.lib import references
from havre.lib.references import Reference

_LARGEST_JSON = 16 << 20
_MOST_NESTED = 4
_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image as the archive describes it. Each layer is a file and what it is to be kept as, bottom first."""

    config: File
    layers: list[tuple[File, Descriptor]]
    manifest: tuple[File, Descriptor] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What one name stands for: an image, or those for several platforms with the index (``target``) that lists them.

    ``documents`` is what belongs to the index beside the images: itself, its manifests, what it says of images.
    """

    members: tuple[Wanted, ...]
    names: tuple[Reference, ...]
    target: str | None = None
    documents: tuple[tuple[File, str], ...] = ()


def described(archive: Intake) -> list[Group]:
    """The images of the archive, by its manifest.json if there is one, and by its index.json."""
    layout = archive.find("index.json")
    if (file := archive.find("manifest.json")) is not None:
        try:
            entries = msgspec.json.decode(file.read(_LARGEST_JSON), type=list[_Entry])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidParameter(f"invalid manifest.json: {error}") from None
        manifests = _manifests_by_config(archive)
        indexes = _indexes(archive, layout) if layout is not None else []
        groups = [_from_entry(archive, entry, manifests) for entry in entries]
        return [_widened(group, indexes) for group in groups]
    if layout is not None:
        return _from_layout(archive, layout)
    raise InvalidParameter("archive has neither a manifest.json nor an index.json: it is no saved image")


class _Entry(msgspec.Struct, rename="pascal"):
    """One image in Docker's manifest.json."""

    config: str
    layers: list[str] | None = None
    repo_tags: list[str] | None = None


def _from_entry(archive: Intake, entry: _Entry, manifests: dict[str, "_Found"]) -> Group:
    config = _file(archive, entry.config)
    named = entry.config.rpartition("/")[2].removesuffix(".json")
    if len(named) == 64 and config.digest != f"sha256:{named}":
        raise DigestMismatch(f"configuration {entry.config} has the digest {config.digest}")
    layers = [(file := _file(archive, name), _as_layer(file)) for name in entry.layers or ()]
    names = tuple(_tagged(text) for text in entry.repo_tags or ())
    found = manifests.get(config.digest)
    if found is None or [layer.digest for layer in found.manifest.layers] != [file.digest for file, _ in layers]:
        return Group((Wanted(config, layers),), names)
    layers = [(file, layer) for (file, _), layer in zip(layers, found.manifest.layers, strict=True)]
    return Group((Wanted(config, layers, (found.file, found.descriptor)),), names)


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


def _widened(group: Group, indexes: list[Group]) -> Group:
    """The group with the other platforms of the index that has its name; manifest.json knows one platform only."""
    (image,) = group.members
    for index in indexes:
        configs = [member.config.digest for member in index.members]
        if image.config.digest in configs and (set(group.names) & set(index.names) or not group.names):
            others = (member for member in index.members if member.config.digest != image.config.digest)
            return replace(index, members=(image, *others), names=group.names)
    return group


def _indexes(archive: Intake, layout: File) -> list[Group]:
    """The indexes that the layout lists, each with what of it the archive has. Those of one digest are one."""
    found: dict[str, Group] = {}
    for descriptor in _index(layout).manifests:
        if descriptor.media_type not in manifest.INDEXES:
            continue
        name = _layout_name(descriptor)
        known = found.get(descriptor.digest) or _grouped(archive, descriptor)
        more = (name,) if name is not None and name not in known.names else ()
        found[descriptor.digest] = replace(known, names=known.names + more)
    return list(found.values())


def _grouped(archive: Intake, descriptor: Descriptor) -> Group:
    """An index with those of its images that the archive has in full."""
    documents: dict[str, File] = {}
    members: list[Wanted] = []
    kept: set[str] = set()
    leaves = list(_all_leaves(archive, descriptor, documents))
    for leaf, file in leaves:
        assert leaf.manifest is not None
        if leaf.kind == "image":
            layers = [(_blob(archive, layer), layer) for layer in leaf.manifest.layers]
            members.append(Wanted(_blob(archive, leaf.manifest.config), layers, (file, _bare(leaf.descriptor))))
            kept.add(leaf.descriptor.digest)
    for leaf, file in leaves:
        assert leaf.manifest is not None
        documents[leaf.descriptor.digest] = file
        if leaf.kind != "image" and (leaf.refers_to is None or leaf.refers_to in kept):
            parts = (leaf.manifest.config, *leaf.manifest.layers)
            documents.update({part.digest: _blob(archive, part) for part in parts})
    return Group(tuple(members), (), descriptor.digest, tuple((file, digest) for digest, file in documents.items()))


def _all_leaves(
    archive: Intake, descriptor: Descriptor, documents: dict[str, File], depth: int = 0
) -> Iterator[tuple[Leaf, File]]:
    """The manifests below ``descriptor`` that the archive has with all their blobs; indexes go into ``documents``."""
    file = archive.find(_blob_name(descriptor.digest))
    if file is None:
        return  # an index may list platforms the archive leaves out
    _verify(file, descriptor)
    decoded = _decoded(file, descriptor)
    if isinstance(decoded, Manifest):
        if all(archive.find(_blob_name(blob)) is not None for blob in blobs_of(decoded)):
            yield Leaf(descriptor, decoded), file
        return
    if depth > _MOST_NESTED:
        raise InvalidParameter("image index is nested too deeply")
    documents[descriptor.digest] = file
    for child in decoded.manifests:
        if child.digest not in documents:
            yield from _all_leaves(archive, child, documents, depth + 1)


def _from_layout(archive: Intake, file: File) -> list[Group]:
    """Images with several names stand in the index several times."""
    groups = {group.target or "": group for group in _indexes(archive, file)}
    if empty := [group for group in groups.values() if not group.members]:
        raise InvalidParameter(f"archive has no image of the index {empty[0].target}: no matching manifest")
    for descriptor in _index(file).manifests:
        if descriptor.media_type in manifest.INDEXES:
            continue
        name = _layout_name(descriptor)
        if (known := groups.get(descriptor.digest)) is None:
            known = Group((_alone(archive, descriptor),), ())
        more = (name,) if name is not None and name not in known.names else ()
        groups[descriptor.digest] = replace(known, names=known.names + more)
    return list(groups.values())


def _alone(archive: Intake, descriptor: Descriptor) -> Wanted:
    file = _blob(archive, descriptor)
    decoded = _decoded(file, descriptor)
    if not isinstance(decoded, Manifest):
        raise InvalidParameter(f"{descriptor.digest} is an index that is called a manifest")
    layers = [(_blob(archive, layer), layer) for layer in decoded.layers]
    return Wanted(_blob(archive, decoded.config), layers, (file, _bare(descriptor)))


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
