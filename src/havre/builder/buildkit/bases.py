"""Base images of a build over a session: pulled with the client's own credentials."""

from dataclasses import dataclass

from havre.builder.buildkit.session import Session
from havre.builder.buildkit.status import Status
from havre.errors import InvalidParameter, NotFound
from havre.image.manifest import Platform
from havre.image.remote.pull import Puller
from havre.image.store import Image, ImageStore
from havre.lib import references


@dataclass(frozen=True, slots=True)
class SessionBases:
    """``BaseImages`` of one build."""

    images: ImageStore
    puller: Puller
    session: Session
    status: Status

    async def image(self, reference: str, platform: Platform, pull: bool) -> Image:
        try:
            name = references.parse(reference)
        except ValueError as error:
            raise InvalidParameter(f"failed to parse base image {reference!r}: {error}") from None
        with self.status.step(f"[internal] load metadata for {name.canonical()}") as step:
            if not pull:
                try:
                    return self.images.resolve(reference, platform)
                except NotFound:
                    pass
            auth = await self.session.credentials(name.domain)
            with step.part(f"pull {name.canonical()}"):
                async for _ in self.puller.pull(name, platform, auth):
                    pass
            return self.images.resolve(reference, platform)
