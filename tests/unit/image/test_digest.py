"""Digests and chain ids."""

import hashlib

import pytest

from havre.errors import InvalidParameter
from havre.image import digest as digests

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64


@pytest.mark.parametrize("text", [A, "sha512:" + "0" * 128])
def test_digests(text: str) -> None:
    assert digests.checked(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 64, "sha256:" + "A" * 64, A + "a", A + "\n", "sha256:../../etc/passwd", "md5:" + "a" * 32]
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(InvalidParameter):
        digests.checked(text)


def test_ids() -> None:
    assert digests.is_id(A) and digests.is_id("f" * 64)
    assert not digests.is_id("f" * 63) and not digests.is_id("g" * 64) and not digests.is_id("sha512:" + "a" * 64)


def test_chain_ids() -> None:
    second = "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()
    assert digests.chain_ids([A, B]) == [A, second]
    assert digests.chain_id(None, A) == A
    assert digests.chain_ids([]) == []


def test_hasher() -> None:
    hasher = digests.Hasher("sha512:" + "0" * 128)
    hasher.update(b"a")
    hasher.update(memoryview(b"b"))
    assert hasher.digest == "sha512:" + hashlib.sha512(b"ab").hexdigest()
    assert digests.of(b"ab") == "sha256:" + hashlib.sha256(b"ab").hexdigest()
