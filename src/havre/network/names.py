"""What a service of names must do for containers on networks of the user's: they find each other by name there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Upstream:
    """Who knows the names that no container has: the ``servers`` asked, by address, each from the container's network
    unless it is in ``on_host``; ``search`` and ``options`` are those of resolv.conf(5).
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    on_host: frozenset[str] = frozenset()


class NameService(Protocol):
    """Answers containers that are on at least one network of the user's, out of ``Networks``' endpoints.

    ``address`` is where a container asks it ("127.0.0.11"); "" means that there is no such service, and containers get
    the servers of the host. ``detach`` is right at any stage, also for a container it never heard of.
    """

    address: str

    async def attach(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        """Serve the container whose network namespace is at ``sandbox``, before its process runs; again is no error."""
        ...

    def changed(self) -> None:
        """Endpoints were added or removed: any network's."""
        ...

    async def detach(self, container_id: str) -> None:
        """Stop serving the container; its namespace is about to go."""
        ...

    async def adopt(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        """As ``attach``, for a container that the last daemon served."""
        ...

    async def close(self) -> None:
        """The daemon ends; its containers may go on."""
        ...


class NoNames:
    """The service of a daemon that has none."""

    address = ""

    async def attach(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        return

    def changed(self) -> None:
        return

    async def detach(self, container_id: str) -> None:
        return

    async def adopt(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        return

    async def close(self) -> None:
        return
