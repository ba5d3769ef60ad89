"""What a name stands for at its registry, without pulling it: the descriptor and the platforms. The engine comes in
here.
"""

from dataclasses import dataclass

from havre.errors import HavreError, Unauthorized
from havre.image import config as configs
from havre.image.manifest import Descriptor, Index, Platform
from havre.image.remote import resolve
from havre.image.remote.auth import Auth
from havre.image.remote.failures import RemoteFailure, remote_refused
from havre.image.remote.repository import Registries
from havre.lib.references import Reference


@dataclass(frozen=True, slots=True)
class Distributed:
    """The manifest or index of a name, and the platforms that it is for."""

    descriptor: Descriptor
    platforms: tuple[Platform, ...]


async def inspect(registries: Registries, reference: Reference, auth: Auth | None) -> Distributed:
    """Ask the registry of ``reference`` (or its mirrors). Raises ``HavreError`` in the registry's words."""
    try:
        source = await resolve.source(registries, reference, auth)
        found, source = await source.find(reference)
        descriptor = Descriptor(media_type=found.media_type, digest=found.digest, size=len(found.body))
        if isinstance(found.document, Index):
            listed = tuple(each.platform for each in found.document.manifests if each.platform is not None)
            return Distributed(descriptor, listed)
        data = await source.content(found.document.config, configs.LARGEST)
    except RemoteFailure as failure:
        raise remote_refused(failure, Unauthorized) from None
    try:
        return Distributed(descriptor, (configs.parse(data).platform,))
    except HavreError:
        return Distributed(descriptor, ())  # an artifact, for no platform
