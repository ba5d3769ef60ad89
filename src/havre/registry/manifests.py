"""Manifests as they are pushed: read, checked, and reduced to what the catalog keeps.

Known are OCI manifests and indexes, and Docker's schema 2 and manifest lists. Whatever else a client may one day put
into them is kept, byte for byte; only what names other content is read.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from havre.errors import InvalidParameter
from havre.image import digest as digests
from havre.image.manifest import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    INDEXES,
    LARGEST_MANIFEST,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
)
from havre.registry.errors import DigestInvalid, ManifestInvalid, ManifestTooLarge

# Far more than any image has; each is a row in the catalog.
MOST_PARTS = 10_000
# An image index over indexes over manifests is as deep as anybody goes; whoever walks one need not recurse for ever.
DEEPEST = 4
_LARGEST = (1 << 63) - 1

Role = Literal["config", "layer", "manifest"]


@dataclass(frozen=True, slots=True)
class Part:
    """What a manifest names. ``optional`` content lies elsewhere and need not be here."""

    digest: str
    size: int
    role: Role
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest that has been checked, its parts each once."""

    digest: str
    media_type: str
    body: bytes | bytearray
    parts: tuple[Part, ...]
    subject: str | None = None
    artifact_type: str = ""
    annotations: bytes | None = None

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    size: Annotated[int, msgspec.Meta(le=_LARGEST)]
    media_type: str = ""
    urls: list[str] | None = None

    def part(self, role: Role) -> Part:
        return Part(digests.checked(self.digest), self.size, role, optional=bool(self.urls))


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Body)


def check(body: bytes | bytearray, content_type: str, expected: str | None) -> Document:
    """Read a manifest that was sent as ``content_type`` (may be ""). ``expected`` is the digest it was pushed by.

    Raises ``ManifestInvalid`` saying what is wrong, ``DigestInvalid`` when it is not ``expected``.
    """
    if len(body) > LARGEST_MANIFEST:
        raise too_large()
    hasher = digests.Hasher(expected or "sha256")
    hasher.update(memoryview(body))
    if expected is not None and hasher.digest != expected:
        raise DigestInvalid("the manifest does not have the digest it is pushed by", detail={"digest": hasher.digest})
    try:
        return _read(body, content_type.partition(";")[0].strip(), hasher.digest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"the manifest is malformed: {error}") from None
    except InvalidParameter as error:
        raise ManifestInvalid(error.message) from None


def too_large() -> ManifestTooLarge:
    """The refusal of a manifest above the limit."""
    return ManifestTooLarge(f"the manifest is larger than {LARGEST_MANIFEST} bytes")


def _read(body: bytes | bytearray, content_type: str, digest: str) -> Document:
    if content_type in (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED):
        raise _schema1()
    data = _decoder.decode(body)
    if data.schema_version == 1:
        raise _schema1()
    if data.schema_version != 2:
        raise ManifestInvalid(f"the manifest's schemaVersion is {data.schema_version}, not 2")
    media_type = data.media_type or content_type or (OCI_INDEX if data.manifests is not None else OCI_MANIFEST)
    if content_type and content_type != media_type:
        raise ManifestInvalid(f"the manifest is sent as {content_type!r} and says it is {data.media_type!r}")
    parts = _parts(data, media_type)
    if len(parts) > MOST_PARTS:
        raise ManifestInvalid(f"the manifest names {len(parts)} others, more than {MOST_PARTS}")
    config_type = data.config.media_type if data.config is not None else ""
    return Document(
        digest=digest,
        media_type=media_type,
        body=body,
        parts=_each_once(parts),
        subject=data.subject.part("manifest").digest if data.subject is not None else None,
        # distribution-spec: without a type of its own an image manifest answers to that of its configuration.
        artifact_type=data.artifact_type or config_type,
        annotations=msgspec.json.encode(data.annotations) if data.annotations else None,
    )


def _parts(data: _Body, media_type: str) -> list[Part]:
    """The descriptors. A document that could be read as a manifest and as an index means two things: it is refused."""
    if media_type in INDEXES:
        if data.manifests is None or data.layers is not None or data.config is not None:
            raise ManifestInvalid(f"a {media_type} has manifests, and neither config nor layers")
        return [entry.part("manifest") for entry in data.manifests]
    if media_type in MANIFESTS:
        if data.config is None or data.layers is None or data.manifests is not None:
            raise ManifestInvalid(f"a {media_type} has config and layers, and no manifests")
        return [data.config.part("config"), *(layer.part("layer") for layer in data.layers)]
    raise ManifestInvalid(f"manifests of the type {media_type!r} are not supported")


def _each_once(parts: list[Part]) -> tuple[Part, ...]:
    found: dict[str, Part] = {}
    for part in parts:
        known = found.setdefault(part.digest, part)
        if known.size != part.size or part.size < 0:
            raise ManifestInvalid(f"the manifest gives {part.digest} an impossible size")
    return tuple(found.values())


def _schema1() -> ManifestInvalid:
    return ManifestInvalid(
        "Docker image manifests of schema 1 are not supported: push with a client that makes schema 2 or OCI manifests"
    )
