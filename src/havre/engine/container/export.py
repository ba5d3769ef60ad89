"""Export: a container's files, with its image's, as one tar archive. ``docker export`` comes in here."""

from collections.abc import AsyncIterator, Callable

from havre.engine.container.changes import refuse_going
from havre.engine.container.create import EventSink
from havre.engine.container.registry import Registry
from havre.engine.container.viewing import Views
from havre.errors import SystemFault
from havre.kernel import treetar
from havre.lib.relay import Outflow


class Exporter:
    """``GET /containers/{id}/export``."""

    def __init__(self, registry: Registry, views: Views, events: EventSink) -> None:
        self._registry = registry
        self._views = views
        self._events = events

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        """The archive, named from the root; volumes and other mounts are empty directories in it.

        The stream has ``aclose``, to be called when it is not read to the end; reading it fails when a file cannot be
        read. What the container changes meanwhile may or may not be in it.
        """
        refuse_going(self._registry.find(reference), "export")
        sight = await self._views.open_root(reference)
        container = sight.container

        def work(write: Callable[[bytes], None]) -> None:
            try:
                treetar.contents(sight.view.root, write)
            except OSError as error:
                raise SystemFault(f"cannot read the files of container {container.short_id}: {error}") from error
            # Removed meanwhile, its files were on their way out while they were read.
            self._registry.current(container.id)

        def ended() -> None:
            self._views.give_up_later(sight)
            self._events.publish("container", "export", container.id, container.event_attributes())

        return Outflow(work, ended, "havre-export")
