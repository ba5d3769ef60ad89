"""Content digests, ``sha256:<hex>``: made, checked, and computed over a stream. The whole image room comes in here."""

import hashlib
import re

from havre.errors import InvalidParameter

_FORM = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


class DigestMismatch(InvalidParameter):
    """Content is not what its digest says: it was cut, damaged or forged. Ask for it again, or elsewhere."""


def checked(text: str) -> str:
    """``text`` itself, once it is certain to be a digest (and so a safe file name). Raises ``InvalidParameter``."""
    if _FORM.fullmatch(text) is None:
        raise InvalidParameter(f"invalid digest {text[:160]!r}")
    return text


def of(data: bytes) -> str:
    """The sha256 digest of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_id(text: str) -> bool:
    """Whether ``text`` is a whole object id: 64 hexadecimal digits, with or without ``sha256:``."""
    return _ID.fullmatch(text) is not None


def chain_id(parent: str | None, diff_id: str) -> str:
    """The name of a stack of layers: the top ``diff_id`` on the stack ``parent`` (OCI image-spec, "Layer ChainID")."""
    return of(f"{parent} {diff_id}".encode()) if parent else diff_id


def chain_ids(diff_ids: tuple[str, ...] | list[str]) -> list[str]:
    """The chain id of every layer, bottom first."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return chain


class Hasher:
    """Computes the digest of a stream in the algorithm of ``like`` (a digest or an algorithm's name)."""

    def __init__(self, like: str = "sha256") -> None:
        self._algorithm = like.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)

    def update(self, data: bytes | memoryview) -> None:
        self._hash.update(data)

    @property
    def digest(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"
