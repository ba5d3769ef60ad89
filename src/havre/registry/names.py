"""The rules for names: repositories, tags and digests. Whatever becomes a key or a path has passed here."""

import re

from havre.errors import InvalidParameter
from havre.image import digest as digests
from havre.lib.references import is_tag
from havre.registry.errors import DigestInvalid, ManifestInvalid, NameInvalid

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
# Clients cap the host and the name together at 255 characters.
_LONGEST = 255


def repository(text: str) -> str:
    """``text``, which is then a repository's name. Raises ``NameInvalid``."""
    if len(text) > _LONGEST or _NAME.fullmatch(text) is None:
        raise NameInvalid("invalid repository name", detail={"name": text[:_LONGEST]})
    return text


def digest(text: str) -> str:
    """``text``, which is then a digest in sha256 or sha512. Raises ``DigestInvalid``."""
    try:
        return digests.checked(text)
    except InvalidParameter as error:
        raise DigestInvalid(error.message) from None


def is_digest(reference: str) -> bool:
    """Whether ``reference`` means a digest, well-formed or not: no tag has a colon."""
    return ":" in reference


def reference(text: str) -> str:
    """``text``, which is then a tag or a digest. Raises ``DigestInvalid``, ``ManifestInvalid``."""
    return digest(text) if is_digest(text) else tag(text)


def tag(text: str) -> str:
    """``text``, which is then a tag. Raises ``ManifestInvalid``."""
    if not is_tag(text):
        raise ManifestInvalid("invalid tag", detail={"tag": text[:_LONGEST]})
    return text
