"""Builds under way: what the calls of one build share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from havre.builder.build import Solved
from havre.builder.buildkit.arrivals import Arrivals
from havre.builder.buildkit.messages.control import CacheOptions
from havre.builder.buildkit.messages.gateway import ReturnRequest
from havre.builder.buildkit.rpc import Stream
from havre.builder.buildkit.session import Session
from havre.builder.buildkit.status import Status
from havre.lib.ids import new_id

_BUILD_ID = "buildkit-controlapi-buildid"
# A client asks for a build's status beside the build itself: it may come when that has ended already.
_LINGER_SECONDS = 10.0


@dataclass(slots=True)
class Build:
    """A build. ``solved`` are its results by reference, ``kept`` what they need, ``returned`` the wanted one."""

    ref: str
    session: Session | None
    entitlements: list[str]
    cache: CacheOptions | None
    status: Status
    returned: asyncio.Future[ReturnRequest]
    solved: dict[str, Solved] = field(default_factory=dict)
    kept: AsyncExitStack = field(default_factory=AsyncExitStack)

    def add(self, solved: Solved) -> str:
        """Keep a result; returns its reference."""
        ref = new_id()[:25]
        self.solved[ref] = solved
        return ref


class Builds:
    """The builds of one daemon."""

    def __init__(self) -> None:
        self._here: Arrivals[Build] = Arrivals("job")

    @asynccontextmanager
    async def present(self, build: Build) -> AsyncIterator[None]:
        """The build can be found while the block lasts, and a little longer."""
        self._here.put(build.ref, build)
        try:
            yield
        finally:
            build.status.close()
            await build.kept.aclose()
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._here.remove, build.ref, build)

    async def get(self, ref: str) -> Build:
        """The build of this reference. Raises ``RpcError`` when there is none."""
        return await self._here.get(ref)

    async def of(self, stream: Stream) -> Build:
        """The build that a call is part of."""
        return await self.get(stream.metadata.get(_BUILD_ID, [""])[0])
