"""The parts of BuildKit's protocol, put together."""

from collections.abc import Mapping
from pathlib import Path

from havre.builder.build import Builder
from havre.builder.buildkit.bridge import Bridge
from havre.builder.buildkit.builds import Builds
from havre.builder.buildkit.contextcopies import ContextCopies
from havre.builder.buildkit.control import Control
from havre.builder.buildkit.exports import Exports
from havre.builder.buildkit.frontend import Frontend
from havre.builder.buildkit.rpc import Connection, Wire
from havre.builder.buildkit.session import Sessions
from havre.image.remote.pull import Puller
from havre.image.store import ImageStore


class Service:
    """All of it, for one daemon."""

    def __init__(self, builder: Builder, images: ImageStore, puller: Puller, copies: Path) -> None:
        self._sessions = Sessions()
        contexts = ContextCopies(copies)
        contexts.clear_unused()
        builds = Builds()
        bridge = Bridge(builder, images, puller, Frontend(contexts, builder.workspace), builds)
        control = Control(self._sessions, builds, bridge, Exports())
        self._handlers = control.handlers() | bridge.handlers()

    async def control(self, wire: Wire) -> None:
        await Connection(wire, self._handlers).run()

    async def session(self, headers: Mapping[str, str], wire: Wire) -> None:
        await self._sessions.serve(headers, wire)
