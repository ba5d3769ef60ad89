"""Who uses what: the answers images and volumes need before they let anything be deleted."""

from dataclasses import dataclass

from havre.engine.container.record import Container
from havre.engine.container.registry import Registry


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

    def container_name(self, container_id: str) -> str:
        """A container's name, ``""`` when it is gone."""
        return next((one.name for one in self.registry if one.id == container_id), "")

    def states(self) -> list[str]:
        """The state of every container, for counting."""
        return [one.state.status for one in self.registry]


def _has_volume(container: Container, name: str) -> bool:
    return any(mount.point.type == "volume" and mount.point.name == name for mount in container.mounts)
