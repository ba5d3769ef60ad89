"""References are read as github.com/distribution/reference reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.references import Reference, is_tag, parse

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha512:" + "cd" * 64


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("127.0.0.1:5000/my/box", "127.0.0.1:5000/my/box:latest", "127.0.0.1:5000/my/box:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("Registry/app", "Registry/app:latest", "Registry/app:latest"),
        ("quay.io/x/y@" + DIGEST, "quay.io/x/y@" + DIGEST, "quay.io/x/y@" + DIGEST),
        ("busybox:1@" + DIGEST, "docker.io/library/busybox:1@" + DIGEST, "busybox:1@" + DIGEST),
        ("busybox@" + OTHER, "docker.io/library/busybox@" + OTHER, "busybox@" + OTHER),
        ("a__b.c-d--e", "docker.io/library/a__b.c-d--e:latest", "a__b.c-d--e:latest"),
        ("sha256:1234", "docker.io/library/sha256:1234", "sha256:1234"),
    ],
)
def test_forms(text: str, canonical: str, familiar: str) -> None:
    reference = parse(text)
    assert reference.canonical() == canonical
    assert reference.familiar() == familiar
    assert parse(canonical) == reference
    assert parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:.b", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a b", "invalid reference format"),
        ("busybox\n", "invalid reference format"),
        ("a@sha256:12", "invalid reference format"),
        ("UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"),
        ("quay.io/Upper/x:T", "invalid reference format: repository name (Upper/x) must be lowercase"),
        ("ab" * 32, f"invalid repository name ({'ab' * 32}), cannot specify 64-byte hexadecimal strings"),
        ("a" * 256, "repository name must not be more than 255 characters"),
        ("a@md5:" + "ab" * 16, "unsupported digest algorithm"),
        ("a@sha256:" + "ab" * 20, "invalid checksum digest length"),
        ("a@sha256:" + "AB" * 32, "invalid checksum digest format"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_no_default_tag() -> None:
    assert parse("busybox", None) == Reference("docker.io", "library/busybox")
    assert parse("busybox", None).familiar() == "busybox"


def test_with_tag_and_digest() -> None:
    reference = parse("busybox:1@" + DIGEST)
    assert reference.with_tag("2").familiar() == "busybox:2"
    assert reference.with_digest(DIGEST).familiar() == "busybox@" + DIGEST
    with pytest.raises(ValueError, match="invalid tag format"):
        reference.with_tag("a:b")
    with pytest.raises(ValueError):
        reference.with_digest("sha256:00")
    with pytest.raises(ValueError, match="invalid checksum digest format"):
        reference.with_digest("sha256:" + "g" * 64)
    assert is_tag("v1.0-rc_1") and not is_tag("") and not is_tag("a/b")


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_what_is_read_can_be_written_and_read_again(text: str) -> None:
    try:
        reference = parse(text)
    except ValueError:
        return
    assert parse(reference.canonical()) == reference
    assert parse(reference.familiar()) == reference
    assert ".." not in reference.path.split("/") and not reference.path.startswith("/")
