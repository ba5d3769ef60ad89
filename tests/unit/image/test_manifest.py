"""Manifests, indexes and the choice of a platform."""

import json
from typing import Any

import pytest

from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.image import manifest as manifests
from havre.image.manifest import Descriptor, Index, Manifest, Platform, choose, decode, host_platform, parse_platform

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64


def document(**fields: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


def described(digest: str = A, **fields: Any) -> dict[str, Any]:
    return {"mediaType": manifests.OCI_MANIFEST, "digest": digest, "size": 7, **fields}


def index(*entries: dict[str, Any]) -> Index:
    decoded = decode(document(mediaType=manifests.OCI_INDEX, manifests=list(entries)))
    assert isinstance(decoded, Index)
    return decoded


def test_manifest() -> None:
    decoded = decode(document(config=described(), layers=[described(B)], annotations={"a": "b"}, other=1))
    assert isinstance(decoded, Manifest)
    assert decoded.config.digest == A and [layer.digest for layer in decoded.layers] == [B]


def test_the_content_decides_without_a_media_type() -> None:
    assert isinstance(decode(document(manifests=[])), Index)
    assert isinstance(decode(document(manifests=[]), "application/json"), Index)
    assert isinstance(decode(document(config=described(), layers=[]), manifests.DOCKER_MANIFEST), Manifest)


def test_schema_1_is_refused() -> None:
    with pytest.raises(Unsupported):
        decode(json.dumps({"schemaVersion": 1, "fsLayers": []}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        document(),
        document(config=described(), layers=None),
        document(config=described(digest="sha256:../x"), layers=[]),
        document(config=described(size=-1), layers=[]),
        document(config=described(size="1"), layers=[]),
        document(manifests=[{"digest": A}]),
    ],
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(InvalidParameter):
        decode(data)


def platform(text: str) -> dict[str, str]:
    os, architecture, *variant = text.split("/")
    return {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}


def test_choice() -> None:
    entries = index(
        described(A, platform=platform("linux/amd64")),
        described(B, platform=platform("linux/arm64/v8")),
        described("sha256:" + "c" * 64, platform=platform("unknown/unknown")),
    )
    assert choose(entries, parse_platform("linux/amd64")).digest == A
    assert choose(entries, parse_platform("linux/arm64")).digest == B
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        choose(entries, parse_platform("linux/s390x"))


def test_the_best_variant_is_chosen() -> None:
    entries = index(
        described(A, platform=platform("linux/arm/v5")),
        described(B, platform=platform("linux/arm/v6")),
        described("sha256:" + "c" * 64, platform=platform("linux/arm/v7")),
    )
    assert choose(entries, parse_platform("linux/arm/v6")).digest == B
    assert choose(entries, parse_platform("linux/arm/v7")).digest.endswith("c" * 64)
    with pytest.raises(NotFound):
        choose(index(described(A, platform=platform("linux/arm/v7"))), parse_platform("linux/arm/v6"))


def test_a_lone_manifest_without_a_platform() -> None:
    assert choose(index(described(A)), None).digest == A
    with pytest.raises(NotFound):
        choose(index(described(A)), parse_platform("linux/amd64"))
    with pytest.raises(NotFound):
        choose(index(described(A), described(B)), None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_platforms(text: str, shown: str) -> None:
    assert str(parse_platform(text)) == shown


def test_half_platforms() -> None:
    assert parse_platform("linux").architecture == host_platform().architecture
    assert parse_platform("s390x") == Platform(os=host_platform().os, architecture="s390x")


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "li nux/amd64", "toaster"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_platform(text)


def test_what_is_encoded_says_its_schema() -> None:
    """Registries and skopeo refuse a manifest without a version, though it is always the same."""
    config = Descriptor(media_type=manifests.OCI_CONFIG, digest=A, size=1)
    for made in (Manifest(config=config, layers=[]), Index(manifests=[config])):
        data = manifests.encode(made)
        assert json.loads(data)["schemaVersion"] == 2
        assert decode(data) == made
