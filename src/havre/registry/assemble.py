"""Builds the registry, once, from its configuration: to know what there is and how it is connected, read this."""

from havre.errors import Conflict, InvalidParameter
from havre.registry import sections
from havre.registry.access import assemble as access
from havre.registry.app import Registry
from havre.registry.catalog import Catalog
from havre.registry.config import Config
from havre.registry.control import Control
from havre.registry.layout import Layout
from havre.registry.replication import assemble as replication
from havre.registry.replication import settings as replication_settings
from havre.registry.reports import assemble as reports
from havre.registry.storage import ContentStorage
from havre.registry.storages.filesystem import FilesystemStorage
from havre.registry.storages.s3settings import S3Settings
from havre.registry.upkeep import assemble as upkeep
from havre.registry.upkeep import settings as upkeep_settings
from havre.registry.upstream import assemble as upstream
from havre.registry.upstream import settings as upstream_settings
from havre.registry.web import assemble as web
from havre.store import lock
from havre.store.db import Database
from havre.store.schema import registry as schema
from havre.store.schema import registry_replication, registry_upstream

SCHEMAS = {
    "registry": schema.MIGRATIONS,
    "registry_upstream": registry_upstream.MIGRATIONS,
    "registry_replication": registry_replication.MIGRATIONS,
}


class Assembly:
    """A registry and what has to be ended with it."""

    def __init__(self, config: Config) -> None:
        """Open the data root. Raises ``Conflict`` when another registry has it."""
        settings = upkeep_settings.read(config.sections)
        upstreams = upstream_settings.read(config.sections)
        targets = replication_settings.read(config.sections)
        self._root = config.root
        layout = Layout(config.root)
        layout.prepare()
        # Held until the process ends, however it ends.
        self._lock = lock.acquire(layout.lock, "root", "havre-registry")
        self._database = Database.open(layout.database, SCHEMAS, layout.reserve)
        catalog = Catalog(self._database)
        self.registry = Registry(catalog, _storage(config, layout))
        self._gate = access.install(self.registry, config.access, config.root)
        self._reports = reports.install(self.registry, self._gate, config)
        web.install(self.registry, self._gate)
        self._control = Control(layout.control)
        self.collector = upkeep.install(self.registry, settings, self._control, upstreams.cached)
        remove = self.collector.remove_content
        self._upstreams = upstream.Installed(self.registry, upstreams, layout.spool, remove)
        self._replication = replication.Installed(self.registry, targets, self._control)

    async def open(self) -> None:
        """Reach the content. Raises ``Conflict`` when it is another catalog's: all of it would be garbage here."""
        await self.registry.storage.start()
        if await self.registry.catalog.is_new():
            async for _ in self.registry.storage.contents():
                raise Conflict(
                    f"there are blobs, and the catalog in {self._root} knows of none: bring back its registry.db, "
                    "or remove the blobs to begin anew"
                )

    async def start(self) -> None:
        """Reach the content; begin what goes on in the background, and to tell of what happens."""
        await self.open()
        await self._reports.start()
        await self._upstreams.start()
        await self._replication.start()
        await self.collector.start()
        await self._control.start()

    async def stop(self) -> None:
        """End it, and close the files. Requests have ended."""
        await self._control.close()
        await self.collector.close()
        await self._replication.close()
        await self._upstreams.close()
        await self.registry.uploads.close()
        await self._gate.close()
        await self._reports.close()
        await self.registry.storage.close()
        self._database.close()


def _storage(config: Config, layout: Layout) -> ContentStorage:
    if "s3" not in config.sections:
        return FilesystemStorage(layout.blobs, layout.uploads)
    settings = sections.read(config.sections, "s3", S3Settings)
    try:
        # Its library takes time and memory, and is an extra.
        from havre.registry.storages.s3 import S3Storage
    except ImportError as error:
        raise InvalidParameter(f"[s3]: {error}: install havre[s3]") from None
    return S3Storage(settings, layout.uploads)
