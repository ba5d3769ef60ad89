"""The parts of BuildKit's protocol, put together."""

from collections.abc import Mapping

from havre.builder.buildkit.bridge import Bridge
from havre.builder.buildkit.builds import Builds
from havre.builder.buildkit.control import Control
from havre.builder.buildkit.diskusage import DiskUsage
from havre.builder.buildkit.door import Parts
from havre.builder.buildkit.exports import Exports
from havre.builder.buildkit.frontend import Frontend
from havre.builder.buildkit.rpc import Connection, Wire
from havre.builder.buildkit.session import Sessions
from havre.lib.tasks import together


class Service:
    """All of it, for one daemon."""

    def __init__(self, parts: Parts) -> None:
        self._sessions = Sessions()
        self._connections: set[Connection] = set()
        parts.copies.clear_unused()
        builds = Builds()
        frontend = Frontend(parts.copies, parts.builder.workspace, parts.remote)
        bridge = Bridge(parts.builder, parts.images, parts.puller, frontend, builds, parts.carrier)
        exports = Exports(parts.builder.blobs, parts.pusher)
        control = Control(self._sessions, builds, bridge, exports)
        self._handlers = control.handlers() | bridge.handlers() | DiskUsage(parts.upkeep).handlers()

    async def control(self, wire: Wire) -> None:
        connection = Connection(wire, self._handlers)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def close(self) -> None:
        """Break off all builds."""
        await together(*(connection.close() for connection in self._connections))

    async def session(self, headers: Mapping[str, str], wire: Wire) -> None:
        await self._sessions.serve(headers, wire)
