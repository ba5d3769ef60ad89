"""The events of volumes that are used and let go: by a container's start and end, and by those who copy."""

from havre.engine.container.create import EventSink
from havre.engine.container.record import Container


def mounted(events: EventSink, container: Container) -> None:
    """Its volumes are about to be seen."""
    for point in (mount.point for mount in container.mounts if mount.point.type == "volume"):
        attributes = {
            "container": container.id,
            "destination": point.destination,
            "driver": point.driver,
            "propagation": point.propagation,
            "read/write": str(point.rw).lower(),
        }
        events.publish("volume", "mount", point.name, attributes)


def unmounted(events: EventSink, container: Container) -> None:
    """Its volumes are seen no more."""
    for point in (mount.point for mount in container.mounts if mount.point.type == "volume"):
        events.publish("volume", "unmount", point.name, {"container": container.id, "driver": point.driver})
