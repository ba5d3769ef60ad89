"""From a name to the manifest for a platform: mirrors first, then the registry; indexes followed; kinds checked."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import dropwhile

from havre.errors import InvalidParameter, Unsupported
from havre.image import digest as digests
from havre.image import manifest as manifests
from havre.image.layers import MOST_LAYERS
from havre.image.manifest import Descriptor, Index, Manifest, Platform
from havre.image.remote.auth import Auth
from havre.image.remote.config import Place
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Registries, Repository
from havre.lib.references import Reference

log = logging.getLogger(__name__)

_DEEPEST = 4
_CONFIGS = ("application/vnd.oci.image.", "application/vnd.docker.")
_OLD_CONFIGS = frozenset({"application/octet-stream", "application/json", "text/html", ""})
_SCHEMA1_GONE = (
    "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. "
    "Suggest the author of {} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. "
    "More information at https://docs.docker.com/go/deprecated-image-specs/"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for at a registry, before a platform is chosen: ``digest`` is what goes into RepoDigests."""

    document: Manifest | Index
    body: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The manifest of one image: to be stored as ``body`` under ``descriptor``.

    ``documents`` are the indexes it was found through, outermost first, and itself.
    """

    manifest: Manifest
    body: bytes
    descriptor: Descriptor
    documents: tuple[Found, ...] = ()


class Source:
    """A repository, through the places that serve it: what one place fails to give, the next is asked for."""

    def __init__(
        self,
        registries: Registries,
        places: list[Place],
        path: str,
        auth: Auth | None,
        opened: dict[Place, Repository] | None = None,
    ) -> None:
        self._registries = registries
        self._places = places
        self._path = path
        self._auth = auth
        self._opened = opened if opened is not None else {}

    async def repositories(self) -> AsyncIterator[Repository]:
        """The places, in order, opened one by one.

        One that does not answer is passed over, but the last raises ``RemoteFailure``.
        """
        for number, place in enumerate(self._places, start=1):
            try:
                if place not in self._opened:
                    self._opened[place] = await self._registries.open(place, self._path, self._auth)
            except RemoteFailure as failure:
                if number == len(self._places):
                    raise
                log.warning("mirror %s of %s: %s", place[0].url, self._path, failure)
                continue
            yield self._opened[place]

    async def find(self, reference: Reference) -> tuple[Found, "Source"]:
        """The manifest or index ``reference`` names, and where to get what it lists.

        That is this source without the places that did not have the manifest.
        """
        failure: RemoteFailure | None = None
        async for repository in self.repositories():
            try:
                body, media_type = await repository.manifest(reference.digest or reference.tag or "")
            except RemoteFailure as error:
                failure = error
                continue
            return _read(reference, body, media_type), self._from(repository)
        raise failure or RemoteFailure(f"no endpoints found for {reference.familiar()}")

    async def digest_of(self, tag: str) -> str | None:
        """The digest ``tag`` stands for now; None when no place tells without sending the manifest."""
        async for repository in self.repositories():
            if digest := await repository.digest_of(tag):
                return digest
        return None

    async def tags(self) -> list[str]:
        """All tags of the repository."""
        failure: RemoteFailure | None = None
        async for repository in self.repositories():
            try:
                return await repository.tags()
            except RemoteFailure as error:
                failure = error
        raise failure or RemoteFailure(f"no endpoints found for {self._path}")

    async def choose(self, reference: Reference, found: Found, platform: Platform | None) -> Chosen:
        """The manifest for ``platform`` (None: this host). Raises ``NotFound``, in Docker's words, without one."""
        documents: list[Found] = []
        for _ in range(_DEEPEST):
            documents.append(found)
            document = found.document
            if isinstance(document, Manifest):
                _check(reference, document)
                descriptor = Descriptor(media_type=found.media_type, digest=found.digest, size=len(found.body))
                return Chosen(document, found.body, descriptor, tuple(documents))
            listed = manifests.choose(document, platform)
            found, _ = await self.find(reference.with_digest(listed.digest))
            if len(found.body) != listed.size:
                raise RemoteFailure(f"manifest {listed.digest} has {len(found.body)} bytes, not {listed.size}")
        raise InvalidParameter(f"{reference.familiar()}: indexes within indexes, more than {_DEEPEST} deep")

    async def content(self, blob: Descriptor, limit: int) -> bytes:
        """A small blob, whole and verified."""
        failure: RemoteFailure | None = None
        async for repository in self.repositories():
            try:
                body = await repository.content(blob.digest, limit)
            except RemoteFailure as error:
                failure = error
                continue
            hasher = digests.Hasher(blob.digest)
            hasher.update(body)
            if len(body) == blob.size and hasher.digest == blob.digest:
                return body
            failure = RemoteFailure(f"image config verification failed for digest {blob.digest}")
        raise failure or RemoteFailure(f"no place to fetch {blob.digest} from")

    def _from(self, repository: Repository) -> "Source":
        rest = dropwhile(lambda place: repository.endpoint not in place, self._places)
        return Source(self._registries, list(rest), self._path, self._auth, self._opened)


async def source(registries: Registries, reference: Reference, auth: Auth | None) -> Source:
    """The source of the repository of ``reference``."""
    places = await registries.config.places(reference.domain)
    return Source(registries, places, reference.path, auth)


def _read(reference: Reference, body: bytes, media_type: str) -> Found:
    try:
        document = manifests.decode(body, media_type)
    except Unsupported:
        raise InvalidParameter(_SCHEMA1_GONE.format(reference.canonical())) from None
    if document.media_type:
        media_type = document.media_type
    elif media_type not in manifests.MANIFESTS | manifests.INDEXES:
        media_type = manifests.OCI_MANIFEST if isinstance(document, Manifest) else manifests.OCI_INDEX
    return Found(document, body, media_type, reference.digest or digests.of(body))


def _check(reference: Reference, manifest: Manifest) -> None:
    """Refuse what is no image (a chart, a model, a signature) and layers that are kept elsewhere."""
    if len(manifest.layers) > MOST_LAYERS:
        raise InvalidParameter("max depth exceeded")
    kind = manifest.config.media_type.lower()
    if kind not in _OLD_CONFIGS and not kind.startswith(_CONFIGS):
        raise InvalidParameter(f"unsupported media type {manifest.config.media_type}")
    for layer in manifest.layers:
        if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
            raise Unsupported(
                f"layer {layer.digest} of {reference.familiar()} is a foreign layer ({layer.media_type}), "
                "to be fetched from elsewhere than the registry: not supported"
            )
        if layer.media_type not in manifests.LAYERS:
            raise InvalidParameter(f"unsupported media type {layer.media_type}")
