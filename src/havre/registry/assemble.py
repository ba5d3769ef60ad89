"""Builds the registry, once, from its configuration: to know what there is and how it is connected, read this."""

from havre.registry.access import assemble as access
from havre.registry.app import Registry
from havre.registry.catalog import Catalog
from havre.registry.config import Config
from havre.registry.layout import Layout
from havre.registry.reports import assemble as reports
from havre.registry.storages.filesystem import FilesystemStorage
from havre.store import lock
from havre.store.db import Database
from havre.store.schema import registry as schema

# Uploads nobody has written to for a week are not gone on with (seconds).
_STALE_UPLOADS = 7 * 86400.0


class Assembly:
    """A registry and what has to be ended with it."""

    def __init__(self, config: Config) -> None:
        """Open the data root. Raises ``Conflict`` when another registry has it."""
        layout = Layout(config.root)
        layout.prepare()
        # Held until the process ends, however it ends.
        self._lock = lock.acquire(layout.lock, "root", "havre-registry")
        self._database = Database.open(layout.database, {"registry": schema.MIGRATIONS}, layout.reserve)
        catalog = Catalog(self._database)
        self.registry = Registry(catalog, FilesystemStorage(layout.blobs, layout.uploads))
        self._gate = access.install(self.registry, config.access, config.root)
        self._reports = reports.install(self.registry, self._gate, config)

    async def start(self) -> None:
        """Put away what nobody comes back for; begin to tell of what happens."""
        await self.registry.uploads.sweep(_STALE_UPLOADS)
        await self._reports.start()

    async def stop(self) -> None:
        """End it, and close the files. Requests have ended."""
        await self.registry.uploads.close()
        await self._gate.close()
        await self._reports.close()
        self._database.close()
