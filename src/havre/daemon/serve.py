"""Serving the API on the daemon's sockets, from the first request to the last."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from havre.api.app import Door
from havre.daemon.listeners import Listener

if TYPE_CHECKING:
    from havre.builder.doors import Builds
    from havre.engine import Engine

log = logging.getLogger(__name__)

# What still runs after the engine has ended is requests that wait for nothing any more.
_DRAIN_SECONDS = 2.0
_WAITING_CONNECTIONS = 1024


class ApiServer:
    """The door behind all listeners."""

    def __init__(self, engine: "Engine", builds: "Builds", listeners: Sequence[Listener]) -> None:
        self._door = Door(engine, builds)
        self._listeners = listeners
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Take requests. Connections made since the sockets were opened have waited for this."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            # For asyncio the backlog is also how often it tries to accept in one go: out of descriptors, it fails and
            # starts a timer each time, and the daemon does nothing else any more.
            server = await loop.create_server(self._door, sock=listener.socket, ssl=listener.tls, backlog=1)
            listener.socket.listen(_WAITING_CONNECTIONS)
            self._servers.append(server)
            log.info("API listen on %s", listener.address)

    async def stop_accepting(self) -> None:
        """Refuse new connections; those that are open go on."""
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """End what is left of the open connections: streams at once, changes when they are made."""
        self._door.end_streams()
        self._door.pre_shutdown()
        await self._door.shutdown(_DRAIN_SECONDS)
