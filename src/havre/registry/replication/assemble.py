"""Joins replication to a registry."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from havre.image.remote.retry import RetryPolicy
from havre.image.remote.transport import open_session
from havre.registry.app import Registry
from havre.registry.control import Control
from havre.registry.peers import Connection
from havre.registry.replication.queue import Queue
from havre.registry.replication.replicate import Replicator
from havre.registry.replication.settings import Target
from havre.registry.replication.target import Carrier, TargetRepository

# The queue tries again by itself, and remembers.
_POLICY = RetryPolicy(attempts=2, first=0.25, longest=1.0, patience=5.0)


class Installed:
    """The replication of a registry: to be started and closed."""

    def __init__(self, registry: Registry, targets: Mapping[str, Target], control: Control) -> None:
        self._registry = registry
        self._targets = targets
        self._queue = Queue(registry.catalog.database)
        self._closing: list[Callable[[], Awaitable[None]]] = []
        control.commands["replication"] = self._status

    async def start(self) -> None:
        """Begin to watch and to push on."""
        if not self._targets:
            return
        session = open_session()
        carriers = {
            name: self._carrier(name, Connection(session, each, _POLICY)) for name, each in self._targets.items()
        }
        replicator = Replicator(self._queue, self._targets, carriers)
        await replicator.start()
        self._registry.observers.append(replicator)
        self._closing = [replicator.close, session.close]

    async def close(self) -> None:
        """Break off what is under way."""
        for close in self._closing:
            await close()

    def _carrier(self, name: str, connection: Connection) -> Carrier:
        async def open_repository(path: str) -> TargetRepository:
            return await connection.repository(path, TargetRepository)

        registry, target = self._registry, self._targets[name]
        return Carrier(name, target, self._queue, registry.catalog, registry.storage, open_repository)

    async def _status(self, asked: Mapping[str, Any]) -> Any:
        return await self._queue.status(self._targets)
