"""Image references as people type them: ``busybox``, ``localhost:5000/team/app:1.2``, ``name@sha256:…``.

The grammar and the short ("familiar") forms are those of github.com/distribution/reference, which every Docker client
uses. Both the client and the image room come in here. Errors are ``ValueError`` with Docker's own texts.
"""

import re
from dataclasses import dataclass, replace

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
_LONGEST_NAME = 255

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_PATH_PART}(?:/{_PATH_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_WHOLE = re.compile(rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?")
_TAG_ONLY = re.compile(_TAG)
_ID = re.compile(r"[0-9a-f]{64}")
_HEXADECIMAL = re.compile(r"[0-9a-f]+")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Reference:
    """A normalised reference: ``domain`` and ``path`` are always set, ``tag`` and ``digest`` may be None."""

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        """``docker.io/library/busybox``: the name without tag and digest, in full."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """``busybox``: the name without tag and digest, as short as Docker shows it."""
        if self.domain != DEFAULT_DOMAIN:
            return self.repository
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    def familiar(self) -> str:
        """The short form, with tag and digest: ``busybox:latest``."""
        return self.familiar_name + self._suffix()

    def canonical(self) -> str:
        """The full form, with tag and digest: ``docker.io/library/busybox:latest``."""
        return self.repository + self._suffix()

    def with_tag(self, tag: str) -> "Reference":
        """The same repository with ``tag`` and no digest. ``ValueError`` when the tag is malformed."""
        if not is_tag(tag):
            raise ValueError("invalid tag format")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> "Reference":
        """The same repository with ``digest`` and no tag."""
        return replace(self, tag=None, digest=_checked_digest(digest))

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str, default_tag: str | None = DEFAULT_TAG) -> Reference:
    """Normalise ``text``. With neither tag nor digest in it the tag becomes ``default_tag`` (None leaves it out)."""
    if _ID.fullmatch(text):
        raise ValueError(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    name = remainder.partition(":")[0] if ":" in remainder else remainder.partition("@")[0]
    if name != name.lower():
        raise ValueError(f"invalid reference format: repository name ({name}) must be lowercase")
    found = _WHOLE.fullmatch(f"{domain}/{remainder}")
    if found is None:
        raise ValueError("invalid reference format")
    if len(found["path"]) > _LONGEST_NAME:
        raise ValueError(f"repository name must not be more than {_LONGEST_NAME} characters")
    digest = found["digest"]
    if digest is not None:
        _checked_digest(digest)
    tag = found["tag"] if found["tag"] or digest else default_tag
    return Reference(found["domain"], found["path"], tag, digest)


def is_tag(text: str) -> bool:
    """Whether ``text`` may stand as a tag."""
    return _TAG_ONLY.fullmatch(text) is not None


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, _OFFICIAL + text
    if first == _LEGACY_DOMAIN:
        domain, remainder = DEFAULT_DOMAIN, rest
    # An upper-case first part cannot be a user name on the default registry, so it is taken for a host.
    elif first == "localhost" or "." in first or ":" in first or first != first.lower():
        domain, remainder = first, rest
    else:
        domain, remainder = DEFAULT_DOMAIN, text
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = _OFFICIAL + remainder
    return domain, remainder


def _checked_digest(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None:
        raise ValueError("unsupported digest algorithm")
    if len(value) != length:
        raise ValueError("invalid checksum digest length")
    if _HEXADECIMAL.fullmatch(value) is None:
        raise ValueError("invalid checksum digest format")
    return digest
