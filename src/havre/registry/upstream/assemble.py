"""Joins upstreams to a registry."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from havre.image.remote.retry import RetryPolicy
from havre.image.remote.transport import open_session
from havre.registry.app import Registry
from havre.registry.peers import Connection
from havre.registry.upstream.budget import Budget
from havre.registry.upstream.fetch import Fetches
from havre.registry.upstream.settings import Upstreams
from havre.registry.upstream.through import PullThrough

# Clients wait meanwhile, and try again themselves; what an upstream asks them to wait for is theirs to know at once.
_POLICY = RetryPolicy(attempts=3, first=0.25, longest=2.0, patience=0.0)


class Installed:
    """The upstreams of a registry: to be started and closed."""

    def __init__(
        self, registry: Registry, settings: Upstreams, spool: Path, remove: Callable[[str], Awaitable[int]]
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._remove = remove
        self._fetches = Fetches(spool)
        self._closing: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Throw out what was on its way in, and serve what upstreams have."""
        self._fetches.prepare()
        if not self._settings.table:
            return
        registry, settings = self._registry, self._settings
        session = open_session()
        connections = {prefix: Connection(session, peer, _POLICY) for prefix, peer in settings.table.items()}
        budget = None
        if settings.cache.size:
            budget = Budget(registry.catalog, settings.cache.size, settings.cached, self._remove)
            registry.observers.append(budget)
        grown = budget.grown if budget is not None else _unbounded
        through = registry.upstream = PullThrough(registry, settings, connections, self._fetches, grown)
        self._closing = [through.close, *([budget.close] if budget is not None else []), session.close]

    async def close(self) -> None:
        """Break off what is under way."""
        for close in self._closing:
            await close()


def _unbounded() -> None:
    """There is no budget to keep to."""
