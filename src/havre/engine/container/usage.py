"""Who uses what: the answers images and volumes need before they let anything be deleted."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict


@dataclass(frozen=True, slots=True)
class Usage:
    """Looks through the containers' records."""

    registry: Registry

    def users_of(self, image_id: str) -> list[tuple[str, bool]]:
        """The containers made from an image or that mount it, and whether each runs from it."""
        return [
            # One that only mounts it keeps what it has when the image goes.
            (one.id, one.state.running and one.image == image_id)
            for one in self.registry
            if one.image == image_id or any(mount.image == image_id for mount in one.mounts)
        ]

    def using_volume(self, name: str) -> list[str]:
        """The containers that have a volume among their mounts."""
        return [one.id for one in self.registry if _has_volume(one, name)]

    def running_with_volume(self, name: str) -> list[str]:
        """Those of them that run."""
        return [one.id for one in self.registry if one.state.running and _has_volume(one, name)]

    @asynccontextmanager
    async def standing_still(self, name: str) -> AsyncIterator[None]:
        """None of them runs, or starts, inside of this; ``Conflict`` if one does."""
        async with AsyncExitStack() as locks:
            held = sorted(self.using_volume(name))
            for container_id in held:
                await locks.enter_async_context(self.registry.lock(container_id))
            others = [one for one in self.using_volume(name) if one not in held]
            if users := [*self.running_with_volume(name), *others]:
                raise Conflict(f"volume is in use - [{', '.join(users)}]")
            yield

    def container_name(self, container_id: str) -> str:
        """A container's name, ``""`` when it is gone."""
        return next((one.name for one in self.registry if one.id == container_id), "")

    def states(self) -> list[str]:
        """The state of every container, for counting."""
        return [one.state.status for one in self.registry]


def _has_volume(container: Container, name: str) -> bool:
    return any(mount.point.type == "volume" and mount.point.name == name for mount in container.mounts)
