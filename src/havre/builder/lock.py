"""Lock files: what a build's names stood for (images, URLs, git references), so that a later build can demand the same.

The form is JSON: ``{"version": 1, "images": {name: {platform: id}}, "urls": {url: digest}, "git": {url#ref: commit}}``.
"""

from pathlib import Path

import msgspec

from havre.builder.plan.vertices import Fetch, Git
from havre.builder.sources import Remote
from havre.builder.trees import Directory
from havre.errors import InvalidParameter
from havre.image.manifest import Platform
from havre.lib import references

_VERSION = 1


class LockMismatch(InvalidParameter):
    """Something is not what the lock file demands."""


class Document(msgspec.Struct, kw_only=True):
    """A lock file's content."""

    version: int = _VERSION
    images: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    urls: dict[str, str] = msgspec.field(default_factory=dict)
    git: dict[str, str] = msgspec.field(default_factory=dict)


class Lock:
    """Records what one build stood on; with ``demanded``, raises ``LockMismatch`` for everything that is not in it."""

    def __init__(self, demanded: Document | None = None) -> None:
        self._demanded = demanded
        self.document = Document()

    def image(self, reference: str, platform: Platform, identity: str) -> None:
        """``reference`` is the image ``identity``."""
        name = _canonical(reference)
        demanded = None if self._demanded is None else self._demanded.images.get(name, {}).get(str(platform), "")
        _compare(f"the image {name} for {platform}", identity, demanded)
        self.document.images.setdefault(name, {})[str(platform)] = identity

    def url(self, url: str, digest: str) -> None:
        """The file at ``url`` has this digest."""
        _compare(url, digest, None if self._demanded is None else self._demanded.urls.get(url, ""))
        self.document.urls[url] = digest

    def git(self, url: str, ref: str, commit: str) -> None:
        """``ref`` of the repository is this commit."""
        name = f"{url}#{ref or 'HEAD'}"
        _compare(name, commit, None if self._demanded is None else self._demanded.git.get(name, ""))
        self.document.git[name] = commit


def read(data: bytes) -> Document:
    """A lock file's content. Raises ``InvalidParameter`` for what is none, or of another version."""
    try:
        document = msgspec.json.decode(data, type=Document)
    except msgspec.MsgspecError as error:
        raise InvalidParameter(f"the lock file cannot be read: {error}") from None
    if document.version != _VERSION:
        raise InvalidParameter(f"the lock file has version {document.version}: this builder reads version {_VERSION}")
    return document


class LockedRemote:
    """A ``Remote`` that holds what it gets against a lock."""

    def __init__(self, remote: Remote, lock: Lock) -> None:
        self._remote = remote
        self._lock = lock

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        directory, cached = await self._remote.fetch(operation, place)
        self._lock.url(operation.url, directory.version)
        return directory, cached

    async def clone(self, operation: Git, place: Path) -> tuple[Directory, bool]:
        directory, cached = await self._remote.clone(operation, place)
        self._lock.git(operation.url, operation.ref, directory.version)
        return directory, cached


def locked(remote: Remote, lock: Lock | None) -> Remote:
    """``remote`` under ``lock``, if there is one."""
    return remote if lock is None else LockedRemote(remote, lock)


def _compare(what: str, found: str, demanded: str | None) -> None:
    """``demanded`` None: nothing is demanded; "": something that is not in the file."""
    if demanded == "":
        raise LockMismatch(f"the lock file has no entry for {what}: it must be updated")
    if demanded is not None and found != demanded:
        raise LockMismatch(f"{what} is {found}, but the lock file demands {demanded}")


def _canonical(reference: str) -> str:
    try:
        return references.parse(reference).canonical()
    except ValueError:
        return reference
