"""Where connections of BuildKit's clients come in. Light: what speaks the protocol is read in at the first of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from havre.builder.build import Builder
from havre.builder.buildkit.contextcopies import ContextCopies
from havre.builder.remotecontexts import RemoteContexts
from havre.builder.transfer import Carrier
from havre.builder.upkeep import Upkeep
from havre.image.remote.pull import Puller
from havre.image.remote.push import Pusher
from havre.image.store import ImageStore

if TYPE_CHECKING:
    from havre.builder.buildkit.service import Service


class Wire(Protocol):
    """The bytes of a connection. ``read`` gives ``b""`` at its end."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the protocol stands on."""

    builder: Builder
    images: ImageStore
    puller: Puller
    pusher: Pusher
    copies: ContextCopies
    remote: RemoteContexts
    upkeep: Upkeep
    carrier: Carrier


class BuildKit:
    """BuildKit's protocol on one builder."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._made: Service | None = None

    async def control(self, wire: Wire) -> None:
        """Answer a client's calls until its connection ends."""
        await self._service().control(wire)

    async def session(self, headers: Mapping[str, str], wire: Wire) -> None:
        """Keep a client's session until its connection ends."""
        await self._service().session(headers, wire)

    async def close(self) -> None:
        """Break off all builds."""
        if self._made is not None:
            await self._made.close()

    def _service(self) -> "Service":
        if self._made is None:
            from havre.builder.buildkit.service import Service

            self._made = Service(self._parts)
        return self._made
