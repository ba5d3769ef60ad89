"""Manifests, indexes and platforms: what a registry or an OCI layout says an image is made of.

Shapes: OCI image-spec 1.1 (manifest, index, descriptor) and Docker's schema 2, which differ in their media types only.
"""

import os
import re
import sys
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.image import digest as digests

T = TypeVar("T")

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"
DOCKER_LAYER_ZSTD = DOCKER_LAYER + ".zstd"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
LAYERS = frozenset(
    {OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD}
    | {DOCKER_FOREIGN_LAYER, "application/octet-stream"}
)
LARGEST_MANIFEST = 4 << 20  # bytes; registries refuse more (distribution-spec)


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image runs on, in Go's words: ``linux``, ``amd64``, ``v8``…"""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: list[str] | None = msgspec.field(default=None, name="os.features")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def runs(self, offered: "Platform") -> bool:
        """Whether content made for ``offered`` runs on this platform. An ARM core also runs older variants."""
        if (self.os, self.architecture) != (offered.os, offered.architecture):
            return False
        ours, theirs = _variant(self), _variant(offered)
        return ours == theirs or (self.architecture == "arm" and "v5" <= theirs <= ours)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Content by digest: ``size`` in bytes. ``digest`` has been checked to be one."""

    media_type: str
    digest: str
    size: int
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str = ""

    def __post_init__(self) -> None:
        digests.checked(self.digest)
        if self.size < 0:
            raise InvalidParameter(f"descriptor of {self.digest} has a negative size")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One image for one platform: its configuration and its layers, bottom first."""

    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Several manifests, one a platform."""

    schema_version: int = 2
    media_type: str = ""
    manifests: list[Descriptor]
    annotations: dict[str, str] | None = None


def decode(data: bytes, media_type: str = "") -> Manifest | Index:
    """Read a manifest or an index. ``media_type`` is what the sender called it; without it the content decides.

    Raises ``InvalidParameter`` when it is neither, ``Unsupported`` for Docker's schema 1.
    """
    try:
        outline = msgspec.json.decode(data, type=_Outline)
        kind = outline.media_type or media_type
        if outline.schema_version == 1 or kind in (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED):
            raise Unsupported("Docker image format v1 (manifest schema 1) is not supported")
        if kind in INDEXES or (kind not in MANIFESTS and bytes(outline.manifests) != b"null"):
            return msgspec.json.decode(data, type=Index)
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidParameter(f"invalid manifest: {error}") from None


def encode(document: Manifest | Index) -> bytes:
    """The bytes of a manifest or index; the same for the same content."""
    return msgspec.json.encode({"schemaVersion": document.schema_version, **msgspec.to_builtins(document)})


class _Outline(msgspec.Struct, rename="camel"):
    schema_version: int = 2
    media_type: str = ""
    manifests: msgspec.Raw = msgspec.Raw(b"null")


def choose(index: Index, wanted: Platform | None) -> Descriptor:
    """The manifest of ``index`` for ``wanted`` (None: this host). Raises ``NotFound`` in Docker's words.

    The best variant wins, then the first listed. Attestations and entries without a platform are passed over, but a
    lone entry without one is taken when no platform was asked for.
    """
    platform = wanted or host_platform()
    fitting = [d for d in index.manifests if d.platform is not None and platform.runs(d.platform)]
    if fitting:
        return max(fitting, key=lambda d: _variant(d.platform) if d.platform else "")
    if wanted is None and len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    raise NotFound(f"no matching manifest for {platform} in the manifest list entries")


def best(wanted: Platform, offered: Mapping[T, Platform]) -> T | None:
    """Of what is ``offered``, what runs on ``wanted`` best: the same variant, else the newest older one."""
    fitting = [key for key, platform in offered.items() if wanted.runs(platform)]
    return max(fitting, key=lambda key: _variant(offered[key]), default=None)


def host_platform() -> Platform:
    """The platform of this machine."""
    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(os=sys.platform, architecture=architecture, variant=variant)


def parse_platform(text: str) -> Platform:
    """``linux/arm64/v8``, ``linux``, ``amd64``, with aliases such as ``x86_64``. Raises ``InvalidParameter``."""
    parts = text.lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(map(_PART.fullmatch, parts)):
        raise InvalidParameter(f'"{text}": unknown operating system or architecture: invalid argument')
    host = host_platform()
    if len(parts) == 1:
        if parts[0] in _SYSTEMS:
            return Platform(os=parts[0], architecture=host.architecture, variant=host.variant)
        architecture, variant = _MACHINES.get(parts[0], (parts[0], ""))
        if architecture not in _ARCHITECTURES:
            raise InvalidParameter(f'"{text}": unknown operating system or architecture: invalid argument')
        return Platform(os=host.os, architecture=architecture, variant=variant)
    architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
    return Platform(os=parts[0], architecture=architecture, variant=parts[2] if len(parts) == 3 else variant)


def _variant(platform: Platform) -> str:
    return platform.variant or _DEFAULT_VARIANTS.get(platform.architecture, "")


_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
_PART = re.compile(r"[a-z0-9_.-]+")
_SYSTEMS = frozenset(
    ["aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "plan9", "solaris", "windows"]
)
_ARCHITECTURES = frozenset(
    {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le"}
    | {"riscv64", "s390x", "wasm"}
)
_MACHINES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
