"""What Docker means by its volume verbs. Answers are JSON-able, in the shape of API 1.51."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from havre.engine.container.mounts import WantedVolume
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.lib import ids, times
from havre.lib.tasks import TaskOwner
from havre.volume import VolumeDriver
from havre.volume.store import ANONYMOUS, VolumeRecord, VolumeStore, check_name
from havre.wire.filters import Filters

log = logging.getLogger(__name__)

Json = dict[str, Any]
Rows = list[Json]

_LIST_FILTERS = ("dangling", "driver", "label", "name")
_PRUNE_FILTERS = ("all", "label", "label!")


class VolumeUsers(Protocol):
    """Knows which containers have a volume among their mounts, running or not."""

    def using_volume(self, name: str) -> list[str]:
        """Their ids."""


class EventSink(Protocol):
    """Who is told what happens."""

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None) -> None: ...


class Volumes:
    """``docker volume``, and the volumes containers ask for. Changes to one name are made one after the other."""

    def __init__(
        self,
        store: VolumeStore,
        drivers: Mapping[str, VolumeDriver],
        users: VolumeUsers,
        events: EventSink,
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._users = users
        self._events = events
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Volumes of containers in the making, whose records do not tell of them yet.
        self._claims: dict[str, set[str]] = {}
        self._tasks = TaskOwner("volumes")

    async def start(self) -> None:
        """Read the records and settle what a killed daemon left between two steps."""
        self._store.load()
        for driver in self._drivers.values():
            names = frozenset(record.name for record in self._store.all() if record.driver == driver.name)
            await asyncio.to_thread(driver.recover, names)

    async def close(self) -> None:
        """Wait until the removals that have begun are done."""
        await self._tasks.drain()

    async def create(self, name: str | None, driver: str, opts: Mapping[str, str], labels: Mapping[str, str]) -> Json:
        """Make a volume, or find the one of that name: making it again is no error. ``Conflict`` if drivers differ."""
        record = await self._ensure(name, driver, opts, labels)
        return self._describe(record)

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, Path]:
        """Find or make a volume a container asks for: its name, its driver, its directory.

        Until ``settle`` it counts as used by the container.
        """
        labels = {**wanted.labels, ANONYMOUS: ""} if wanted.name is None else wanted.labels
        owner = wanted.container if wanted.name is None else ""
        record = await self._ensure(wanted.name, wanted.driver, wanted.options, labels, owner, wanted.container)
        return record.name, record.driver, self._drivers[record.driver].path(record.name)

    def settle(self, container_id: str) -> None:
        """What the container that was being made uses is told by its record now; or it was not made."""
        for name in [name for name, users in self._claims.items() if container_id in users]:
            self._claims[name].discard(container_id)
            if not self._claims[name]:
                del self._claims[name]

    async def list(self, filters: Filters) -> Json:
        """``{"Volumes": […], "Warnings": null}``, by name."""
        filters.validate(_LIST_FILTERS)
        wanted = [record for record in self._store.all() if self._matches(record, filters)]
        return {"Volumes": [self._describe(record) for record in wanted], "Warnings": None}

    async def inspect(self, name: str) -> Json:
        """One volume; ``NotFound``."""
        return self._describe(self._get(name))

    async def remove(self, name: str, force: bool) -> None:
        """Delete a volume. ``Conflict`` while a container has it; with ``force`` a missing one is fine."""
        async with self._locks[name]:
            if self._store.get(name) is None and force:
                return
            record = self._get(name)
            if users := [*self._users.using_volume(name), *sorted(self._claims.get(name, ()))]:
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            # A removal that has begun ends, also when whoever asked for it does not wait.
            await asyncio.shield(self._tasks.start(self._delete(record), f"remove {name}"))
        self._locks.pop(name, None)

    async def discard(self, name: str) -> None:
        """Remove the anonymous volume of a container that is gone, unless another container has it too."""
        if self._store.get(name) is not None:
            await self.remove(name, force=True)

    async def keep(self, name: str) -> None:
        """Let an anonymous volume outlive the container it was made for."""
        async with self._locks[name]:
            record = self._store.get(name)
            if record is not None and record.container:
                await self._store.save(msgspec.structs.replace(record, container=""))

    async def discard_made_for(self, container_id: str) -> None:
        """Remove the anonymous volumes that were made for a container that could not be."""
        self.settle(container_id)
        for record in self._store.all():
            if record.container == container_id:
                await self.discard(record.name)

    async def drop_orphans(self, known: Container[str]) -> None:
        """Remove the anonymous volumes of containers that are not among ``known``: a create or a remove was cut short.

        One that another container has as well stays.
        """
        for record in self._store.all():
            if record.container and record.container not in known:
                try:
                    await self.discard(record.name)
                except Conflict:
                    await self.keep(record.name)

    async def prune(self, filters: Filters) -> Json:
        """Remove what no container has: anonymous volumes, or with ``all`` any."""
        filters.validate(_PRUNE_FILTERS)
        everything = filters.flag("all")
        deleted, reclaimed = [], 0
        for record in self._store.all():
            labels = record.labels
            if (
                not (everything or record.anonymous)
                or filters.refuses_labels(labels)
                or not filters.match_labels(labels)
            ):
                continue
            size = await self._size(record)
            try:
                await self.remove(record.name, force=False)
            except (Conflict, NotFound):
                continue
            deleted.append(record.name)
            reclaimed += size
        self._events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return {"VolumesDeleted": deleted, "SpaceReclaimed": reclaimed}

    def path(self, name: str) -> Path:
        """Where a volume's files are."""
        record = self._get(name)
        return self._drivers[record.driver].path(name)

    async def disk_usage(self) -> Rows:
        """All volumes with their size in bytes and the number of containers that have them."""
        return [
            {
                **self._describe(record),
                "UsageData": {
                    "RefCount": len(self._users.using_volume(record.name)),
                    "Size": await self._size(record),
                },
            }
            for record in self._store.all()
        ]

    async def _ensure(
        self,
        name: str | None,
        driver: str,
        options: Mapping[str, str],
        labels: Mapping[str, str],
        container: str = "",
        claimant: str = "",
    ) -> VolumeRecord:
        if name is None:
            name = ids.new_id()
            labels = {ANONYMOUS: "", **labels}
        check_name(name)
        if driver:
            self._driver(name, driver)
        async with self._locks[name]:
            if claimant:
                self._claims.setdefault(name, set()).add(claimant)
            if (known := self._store.get(name)) is not None:
                if driver not in ("", known.driver):
                    raise Conflict(
                        f"create {name}: a volume named {name} already exists with the {known.driver} driver. "
                        "Choose a different volume name"
                    )
                return known
            implementation = self._driver(name, driver or "local")
            try:
                implementation.check(options)
            except InvalidParameter as error:
                raise InvalidParameter(f"create {name}: {error.message}") from None
            record = VolumeRecord(
                name, implementation.name, time.time_ns(), dict(labels) or None, dict(options) or None, container
            )
            # The directory first: a record without one would be a volume that has lost its files.
            await asyncio.to_thread(implementation.create, name)
            await self._store.save(record)
        self._events.publish("volume", "create", name, {"driver": record.driver})
        return record

    async def _delete(self, record: VolumeRecord) -> None:
        driver = self._drivers[record.driver]
        await asyncio.to_thread(driver.take_away, record.name)
        await self._store.delete(record.name)
        await asyncio.to_thread(driver.discard, record.name)
        self._events.publish("volume", "destroy", record.name, {"driver": record.driver})

    def _get(self, name: str) -> VolumeRecord:
        record = self._store.get(name)
        if record is None:
            raise NotFound(f"get {name}: no such volume")
        return record

    def _driver(self, volume: str, name: str) -> VolumeDriver:
        try:
            return self._drivers[name]
        except KeyError:
            raise NotFound(
                f'create {volume}: error looking up volume plugin {name}: plugin "{name}" not found'
            ) from None

    def _matches(self, record: VolumeRecord, filters: Filters) -> bool:
        if "dangling" in filters and filters.flag("dangling") == bool(self._users.using_volume(record.name)):
            return False
        return (
            filters.exact("driver", record.driver)
            and filters.match_labels(record.labels)
            and filters.matches("name", record.name)
        )

    async def _size(self, record: VolumeRecord) -> int:
        return await asyncio.to_thread(self._drivers[record.driver].usage, record.name)

    def _describe(self, record: VolumeRecord) -> Json:
        return {
            "CreatedAt": times.rfc3339nano(record.created // 1_000_000_000 * 1_000_000_000),
            "Driver": record.driver,
            "Labels": record.labels,
            "Mountpoint": str(self._drivers[record.driver].path(record.name)),
            "Name": record.name,
            "Options": record.options,
            "Scope": "local",
        }
