"""What Docker means by its volume verbs. Answers are JSON-able, in the shape of API 1.51."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import msgspec

from havre.engine.container.mounts import WantedVolume
from havre.engine.volumebackings import NOT_THERE, UNKNOWN, Backing, Backings, DiskBacking, told
from havre.engine.volumemounts import VolumeMounts
from havre.errors import Conflict, HavreError, NotFound
from havre.lib import ids, times
from havre.lib.tasks import TaskOwner
from havre.lib.turns import Turns
from havre.volume import VolumeDriver
from havre.volume.plugins.drivers import PluginDriver, PluginVolume
from havre.volume.store import ANONYMOUS, VolumeRecord, VolumeStore
from havre.wire.filters import Filters

log = logging.getLogger(__name__)

Json = dict[str, Any]
Rows = list[Json]

# Seconds that a daemon which ends waits for removals.
_LAST_PATIENCE = 10.0
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
        backings: Backings,
        mounts: VolumeMounts,
        users: VolumeUsers,
        events: EventSink,
    ) -> None:
        self.mounts = mounts
        self._store = store
        self._drivers = drivers
        self._backings = backings
        self._users = users
        self._events = events
        self._turns = Turns()
        # Volumes of containers in the making, whose records do not tell of them yet.
        self._claims: dict[str, set[str]] = {}
        self._tasks = TaskOwner("volumes")

    async def start(self) -> None:
        """Read the records and settle what a killed daemon left between two steps."""
        self._store.load()
        self.mounts.load()
        for driver in self._drivers.values():
            names = frozenset(record.name for record in self._store.all() if record.driver == driver.name)
            await asyncio.to_thread(driver.recover, names)

    async def close(self) -> None:
        """Wait until the removals that have begun are done; not for long, since a plugin may never answer."""
        await self.mounts.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_PATIENCE):
                await self._tasks.drain()
        await self._tasks.close()

    async def create(self, name: str | None, driver: str, opts: Mapping[str, str], labels: Mapping[str, str]) -> Json:
        """Make a volume, or find the one of that name: making it again is no error. ``Conflict`` if drivers differ."""
        record = await self._ensure(name, driver, opts, labels)
        return await self._describe(record)

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, str]:
        """Find or make a volume a container asks for: its name, its driver, its directory as far as known.

        Until ``settle`` it counts as used by the container.
        """
        labels = {**wanted.labels, ANONYMOUS: ""} if wanted.name is None else wanted.labels
        owner = wanted.container if wanted.name is None else ""
        record = await self._ensure(wanted.name, wanted.driver, wanted.options, labels, owner, wanted.container)
        return record.name, record.driver, str((await self._describe(record))["Mountpoint"])

    def settle(self, container_id: str) -> None:
        """What the container that was being made uses is told by its record now; or it was not made."""
        for name in [name for name, users in self._claims.items() if container_id in users]:
            self._claims[name].discard(container_id)
            if not self._claims[name]:
                del self._claims[name]

    async def list(self, filters: Filters) -> Json:
        """``{"Volumes": […], "Warnings": […]}``, by name. A plugin that does not tell what it has is a warning."""
        filters.validate(_LIST_FILTERS)
        filters.flag("dangling")
        volumes = [await self._describe(record) for record in self._store.all() if record.driver in self._drivers]
        plugins = await self._backings.plugins()
        answers = await asyncio.gather(*(plugin.list() for plugin in plugins), return_exceptions=True)
        warnings: list[str] = []
        silent = {record.driver: "" for record in self._store.all() if record.driver not in self._drivers}
        for plugin, answer in zip(plugins, answers, strict=True):
            if isinstance(answer, list):
                volumes += [self._of_plugin(plugin, volume) for volume in answer]
                silent.pop(plugin.name, None)
            elif isinstance(answer, HavreError):
                silent[plugin.name] = plugin.scope
                warnings.append(f"list {plugin.name}: {answer.message}")
            else:
                raise answer
        mute = (record for record in self._store.all() if record.driver in silent)
        volumes += [_answer(record, silent[record.driver], {"CreatedAt": UNKNOWN}) for record in mute]
        wanted = [volume for volume in volumes if self._matches(volume, filters)]
        return {"Volumes": sorted(wanted, key=lambda volume: str(volume["Name"])), "Warnings": warnings or None}

    async def inspect(self, name: str) -> Json:
        """One volume; ``NotFound``."""
        return await self._describe(await self._get(name), live=True)

    async def remove(self, name: str, force: bool) -> None:
        """Delete a volume. ``Conflict`` while a container has it; with ``force`` a missing one is fine."""
        async with self._turns.of(name):
            try:
                record = await self._get(name)
                if record.driver not in self._drivers:
                    await self._describe(record, live=True)
            except HavreError as error:
                known = self._store.get(name) is not None
                if not force or not (known or isinstance(error, NotFound)):
                    raise
                if known:
                    # Its plugin, or the plugin's volume, is gone or out of reach: the record is all there is.
                    self._refuse_used(name)
                    await self._store.delete(name)
                return
            self._refuse_used(name)
            # A removal that has begun ends, also when whoever asked for it does not wait.
            await asyncio.shield(self._tasks.start(self._delete(record, force), f"remove {name}"))

    async def discard(self, name: str) -> None:
        """Remove the anonymous volume of a container that is gone, unless another container has it too."""
        if self._store.get(name) is not None:
            await self.remove(name, force=True)

    async def keep(self, name: str) -> None:
        """Let an anonymous volume outlive the container it was made for."""
        async with self._turns.of(name):
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

        One that another container has as well stays. What is mounted for such containers is unmounted first.
        """
        await self.mounts.drop_unknown(known)
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
                or not self._measured(record)
                or filters.refuses_labels(labels)
                or not filters.match_labels(labels)
            ):
                continue
            size = await self._size(record)
            try:
                await self.remove(record.name, force=False)
            except (Conflict, NotFound):
                continue
            except (HavreError, OSError) as error:
                log.error("volume %s could not be pruned: %s", record.name, error)
                continue
            deleted.append(record.name)
            reclaimed += size
        self._events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return {"VolumesDeleted": deleted, "SpaceReclaimed": reclaimed}

    def record(self, name: str) -> VolumeRecord:
        """What is kept of a volume; ``NotFound`` also for one that only a plugin knows."""
        if (record := self._store.get(name)) is None:
            raise NotFound(f"get {name}: no such volume")
        return record

    async def adopt(self, record: VolumeRecord, settle: Callable[[], None]) -> None:
        """Take in a volume whose files were made aside; ``settle`` puts them in place once the record is written."""
        async with self._turns.of(record.name):
            if self._store.get(record.name) is not None:
                raise Conflict(f"create {record.name}: a volume of that name was made meanwhile")
            await self._store.save(record)
            await asyncio.to_thread(settle)
        self._events.publish("volume", "create", record.name, {"driver": record.driver})

    @asynccontextmanager
    async def unchanged(self, record: VolumeRecord) -> AsyncIterator[None]:
        """Nobody makes, removes or begins to use the volume inside of this; ``Conflict`` if one has meanwhile."""
        async with self._turns.of(record.name):
            if self._store.get(record.name) != record:
                raise Conflict("the volume was removed meanwhile")
            if users := self._claims.get(record.name):
                raise Conflict(f"volume is in use - [{', '.join(sorted(users))}]")
            yield

    async def disk_usage(self) -> Rows:
        """The volumes on this disk with their size in bytes and the number of containers that have them."""
        return [
            {
                **await self._describe(record),
                "UsageData": {
                    "RefCount": len(self._users.using_volume(record.name)),
                    "Size": await self._size(record),
                },
            }
            for record in self._store.all()
            if self._measured(record)
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
        backing = await self._backing(name, driver) if driver else None
        async with self._turns.of(name):
            known = await self._still_there(name)
            if claimant:
                self._claims.setdefault(name, set()).add(claimant)
            if known is not None:
                if driver not in ("", known.driver):
                    raise Conflict(
                        f"create {name}: driver '{known.driver}' already has volume '{name}': "
                        "volume name must be unique"
                    )
                return known
            backing = backing or await self._default(name, container)
            record = VolumeRecord(
                name, backing.name, time.time_ns(), dict(labels) or None, dict(options) or None, container
            )
            try:
                backing.check(name, options)
                # The volume first: a record without one would be a volume that has lost its files.
                await backing.create(name, options)
            except HavreError as error:
                text = error.message if error.message.startswith("create ") else f"create {name}: {error.message}"
                raise type(error)(text) from None
            await self._store.save(record)
        self._events.publish("volume", "create", name, {"driver": record.driver})
        return record

    async def _delete(self, record: VolumeRecord, force: bool) -> None:
        name = record.name
        try:
            await self.mounts.settled(name)
            backing = await self._backings.get(record.driver, wait=False)
            await backing.take_away(name)
        except HavreError as error:
            if force:
                # Docker forgets it, whatever its driver says.
                await self._store.delete(name)
            raise type(error)(f"remove {name}: {error.message}") from None
        await self._store.delete(name)
        await backing.discard(name)
        self._events.publish("volume", "destroy", name, {"driver": record.driver})

    async def _get(self, name: str) -> VolumeRecord:
        """The record, or one for a volume that a plugin has by itself."""
        if (record := self._store.get(name)) is not None:
            return record
        if (backing := await self._backings.holder(name)) is not None:
            return VolumeRecord(name, backing.name, 0)
        raise NotFound(f"get {name}: no such volume")

    async def _still_there(self, name: str) -> VolumeRecord | None:
        """The record, which goes if the plugin that keeps the volume has none of that name any more."""
        record = self._store.get(name)
        if record is not None and record.driver not in self._drivers:
            try:
                backing = await self._backings.get(record.driver, wait=False)
                await backing.describe(name)
            except NotFound as error:
                if error.message == NOT_THERE and not self._users_of(name):
                    await self._store.delete(name)
                    return None
            except HavreError:
                return record
        return record

    def _refuse_used(self, name: str) -> None:
        if users := self._users_of(name):
            raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")

    def _users_of(self, name: str) -> Sequence[str]:
        return [*self._users.using_volume(name), *sorted(self._claims.get(name, ()))]

    async def _backing(self, volume: str, name: str) -> Backing:
        try:
            return await self._backings.get(name)
        except HavreError as error:
            raise type(error)(f"create {volume}: {error.message}") from None

    async def _default(self, volume: str, owner: str) -> Backing:
        """Who keeps a new volume of which nobody said who should: a plugin that has one of that name, or this disk."""
        here = self._backings.here("local")
        assert here is not None
        return here if owner else await self._backings.holder(volume) or here

    def _matches(self, volume: Json, filters: Filters) -> bool:
        if "dangling" in filters and filters.flag("dangling") == bool(self._users.using_volume(volume["Name"])):
            return False
        return (
            filters.exact("driver", volume["Driver"])
            and filters.match_labels(volume["Labels"])
            and filters.matches("name", volume["Name"])
        )

    def _measured(self, record: VolumeRecord) -> bool:
        """Whether its files are on this disk and nobody else's: only those are measured and pruned, as by Docker."""
        return record.driver in self._drivers and not record.options

    async def _size(self, record: VolumeRecord) -> int:
        return await asyncio.to_thread(self._drivers[record.driver].usage, record.name)

    async def _describe(self, record: VolumeRecord, live: bool = False) -> Json:
        """An answer about a volume; with ``live`` the plugin that keeps it must be there."""
        told: Json = {"Mountpoint": ""}
        scope = "local"
        backing: Backing | DiskBacking | None = self._backings.here(record.driver)
        try:
            backing = backing or await self._backings.get(record.driver, wait=False)
            told, scope = await backing.describe(record.name), backing.scope
        except HavreError as error:
            if live:
                raise type(error)(f"get {record.name}: {error.message}") from None
        return _answer(record, scope, told)

    def _of_plugin(self, plugin: PluginDriver, volume: PluginVolume) -> Json:
        record = self._store.get(volume.name)
        if record is None or record.driver != plugin.name:
            record = VolumeRecord(volume.name, plugin.name, 0)
        return _answer(record, plugin.scope, told(volume))


def _answer(record: VolumeRecord, scope: str, told: Json) -> Json:
    return {
        "CreatedAt": times.rfc3339nano(record.created // 1_000_000_000 * 1_000_000_000),
        "Driver": record.driver,
        "Labels": record.labels,
        "Mountpoint": "",
        "Name": record.name,
        "Options": record.options,
        "Scope": scope,
        **told,
    }
