"""Base images: those that are here, others pulled."""

from collections.abc import Callable
from dataclasses import dataclass

from havre.errors import InvalidParameter, NotFound
from havre.image.manifest import Platform
from havre.image.remote.auth import Auth
from havre.image.remote.pull import Puller
from havre.image.store import Image, ImageStore
from havre.lib import references


@dataclass(frozen=True, slots=True)
class PulledBases:
    """``BaseImages`` of one build. ``auth`` gives the credentials for a registry's host, None for none."""

    images: ImageStore
    puller: Puller
    auth: Callable[[str], Auth | None]

    async def image(self, reference: str, platform: Platform, pull: bool) -> Image:
        if not pull:
            try:
                return self.images.resolve(reference, platform)
            except NotFound:
                pass
        try:
            name = references.parse(reference)
        except ValueError as error:
            raise InvalidParameter(f"failed to parse base image {reference!r}: {error}") from None
        async for _ in self.puller.pull(name, platform, self.auth(name.domain)):
            pass
        return self.images.resolve(reference, platform)
