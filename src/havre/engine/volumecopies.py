"""havre's own verbs of volumes: export, import, clone and snapshots.

What they read may be any volume, in use or not; what they write is a plain volume on this disk. Files are made aside
and put in place at once, so that a volume is never half of one and half of another. While a volume is cloned or a
snapshot taken, the containers that use it stand still: the copy is as after a loss of power, at one instant.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from havre.engine.volumemounts import VolumeMounts
from havre.engine.volumes import Volumes
from havre.errors import Conflict, HavreError, InvalidParameter, NotFound, SystemFault
from havre.kernel import compression, treetar
from havre.kernel.treextract import Rules, extract
from havre.lib import ids, times
from havre.lib.relay import BrokenOffError, Outflow, apart, inflow
from havre.lib.tasks import TaskOwner
from havre.volume.drivers import localcopies
from havre.volume.drivers.local import LocalDriver
from havre.volume.store import ANONYMOUS, VolumeRecord, check_name
from havre.volume.treecopy import Copied, StoppedError

Json = dict[str, Any]

FORMATS = {"tar": "application/x-tar", "zstd": "application/zstd"}


class VolumeHolders(Protocol):
    """The containers that have a volume."""

    def running_with_volume(self, name: str) -> list[str]:
        """Those that run."""

    def standing_still(self, name: str) -> AbstractAsyncContextManager[None]:
        """None of them runs, or starts, inside of this; ``Conflict`` in Docker's words if one does."""


class Freezing(Protocol):
    """Lets containers stand still and go on."""

    async def freeze(self, container_id: str) -> bool: ...

    async def go_on(self, container_id: str) -> None: ...


class VolumeCopies:
    """One copy into a volume, and one of each snapshot, at a time."""

    def __init__(
        self, volumes: Volumes, local: LocalDriver, mounts: VolumeMounts, holders: VolumeHolders, freezer: Freezing
    ) -> None:
        self._volumes = volumes
        self._local = local
        self._copies = local.copies
        self._mounts = mounts
        self._holders = holders
        self._freezer = freezer
        self._busy: set[str] = set()
        self._stopping = False
        self._tasks = TaskOwner("volume copies")

    async def close(self) -> None:
        """Break off what goes on: what was not whole yet is gone at the next start."""
        self._stopping = True
        await self._tasks.drain()

    async def export(self, name: str, format: str) -> AsyncIterator[bytes]:
        """The volume's files as an archive, named from ``./``. What is changed meanwhile may or may not be in it.

        The stream has ``aclose``, to be called when it is not read to the end.
        """
        if format not in FORMATS:
            raise InvalidParameter(f"unknown format of archives: {format!r} (known are {', '.join(FORMATS)})")
        record = self._volumes.record(name)
        holder = f"havre-{ids.new_id()}"
        source = await self._source(record, holder)

        def work(write: Callable[[bytes], None]) -> None:
            take, end = compression.zstd_compressed(write) if format == "zstd" else (write, lambda: None)
            try:
                top = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    treetar.archive(top, b".", frozenset(), take)
                finally:
                    os.close(top)
                end()
            except OSError as error:
                raise SystemFault(f"cannot read the files of volume {name}: {error}") from error

        return Outflow(work, lambda: self._release(holder), "havre-volume-export")

    async def import_(
        self, name: str, body: AsyncIterator[bytes], labels: Mapping[str, str], replace: bool, devices: bool
    ) -> Json:
        """Make a volume of the archive ``body`` (compressed or not), or fill an empty one.

        With ``replace`` those files take the place of what a volume has, none of whose containers may run then. Device
        nodes are refused unless ``devices``. Until all is unpacked nothing of it is seen.
        """
        with self._writing("import", name):
            known = self._check_target("import", name, replace)
            rules = Rules(None, False, f"volume {name}", volume=True, devices=devices)
            data = await apart(lambda: self._copies.begin(name), f"volume {name}")
            try:
                await inflow(body, lambda source: _unpack(source, data, rules), "havre-volume-import")
                return await self._publish("import", name, known, dict(labels))
            finally:
                await apart(lambda: self._copies.give_up(name), f"volume {name}")

    async def clone(self, name: str, to: str, pause: bool) -> Json:
        """Copy a volume to a new one with the same labels; where the file system can, both share their blocks."""
        record = self._volumes.record(name)
        with self._writing("clone", to):
            if self._check_target("clone", to, True) is not None:
                raise Conflict(f"clone {to}: there is a volume of that name")
            data = await apart(lambda: self._copies.begin(to), f"volume {to}")
            try:
                async with self._still_source(record, pause) as source:
                    copied = await self._copy(lambda: localcopies.copy(source, data, self._stopped), f"clone {name}")
                labels = {key: value for key, value in (record.labels or {}).items() if key != ANONYMOUS}
                made = await self._publish("clone", to, None, labels)
            finally:
                await apart(lambda: self._copies.give_up(to), f"volume {to}")
        return {**made, "Copied": _told(copied)}

    async def snapshot(self, name: str, snapshot: str, pause: bool) -> Json:
        """Keep what a volume has now under a name."""
        record = self._plain("snapshot", name)
        snapshot = snapshot or times.rfc3339nano(time.time_ns())[:19].replace(":", "-")
        with self._writing("snapshot", f"{name}/{snapshot}"):
            async with self._still_source(record, pause) as source:
                copied = await self._copy(
                    lambda: self._copies.snapshot(name, snapshot, source, self._stopped), f"snapshot of {name}"
                )
        return {"Volume": name, "Name": snapshot, "Copied": _told(copied)}

    async def snapshots(self, name: str) -> list[Json]:
        """Those of a volume, oldest first."""
        self._plain("snapshots", name)
        found = await apart(lambda: self._copies.snapshots(name), f"volume {name}")
        return [{"Name": one.name, "CreatedAt": times.rfc3339nano(one.created)} for one in found]

    async def restore(self, name: str, snapshot: str) -> Json:
        """Put a copy of a snapshot in the place of what a volume has; none of its containers may run."""
        self._plain("restore", name)
        with self._writing("restore", name):
            source = self._copies.files_of(name, snapshot)
            known = self._check_target("restore", name, True)
            data = await apart(lambda: self._copies.begin(name), f"volume {name}")
            try:
                copied = await self._copy(lambda: localcopies.copy(source, data, self._stopped), f"restore {name}")
                await self._publish("restore", name, known, {})
            finally:
                await apart(lambda: self._copies.give_up(name), f"volume {name}")
        return {"Volume": name, "Name": snapshot, "Copied": _told(copied)}

    async def drop_snapshot(self, name: str, snapshot: str) -> None:
        """Delete a snapshot."""
        self._plain("snapshot", name)
        with self._writing("snapshot", f"{name}/{snapshot}"):
            await apart(lambda: self._copies.drop(name, snapshot), f"snapshot of {name}")

    def _stopped(self) -> bool:
        return self._stopping

    def _plain(self, verb: str, name: str) -> VolumeRecord:
        """The record of a volume whose files are on this disk."""
        record = self._volumes.record(name)
        if record.driver != self._local.name or record.options:
            raise InvalidParameter(f"{verb} {name}: the volume's files are mounted from elsewhere, not kept by havre")
        return record

    def _check_target(self, verb: str, name: str, replace: bool) -> VolumeRecord | None:
        """The volume to be written, None for one to be made. ``Conflict`` if it has files or users."""
        try:
            known = self._plain(verb, name)
        except NotFound:
            check_name(name)
            return None
        if users := self._holders.running_with_volume(name):
            raise Conflict(f"{verb} {name}: volume is in use - [{', '.join(users)}]")
        if not replace and not self._copies.is_empty(name):
            raise Conflict(f"{verb} {name}: the volume is not empty, and its files are to be replaced only on demand")
        return known

    async def _publish(self, verb: str, name: str, known: VolumeRecord | None, labels: dict[str, str]) -> Json:
        """Put in place what was made aside."""
        if known is None:
            await apart(lambda: self._copies.ready(name), f"volume {name}")
            record = VolumeRecord(name, self._local.name, time.time_ns(), labels or None)
            await self._volumes.adopt(record, lambda: self._copies.settle(name))
            return await self._volumes.inspect(name)
        try:
            async with self._holders.standing_still(name), self._volumes.unchanged(known):
                await apart(lambda: self._copies.replace(name), f"volume {name}")
        except HavreError as error:
            raise type(error)(f"{verb} {name}: {error.message}") from None
        return await self._volumes.inspect(name)

    async def _source(self, record: VolumeRecord, holder: str) -> Path:
        """Where a volume's files are, mounted for ``holder`` if it has to be: ``_release`` ends that."""
        try:
            mounted = await self._mounts.mount(holder, 0, record.name)
        except BaseException:
            self._release(holder)
            raise
        return mounted or self._local.path(record.name)

    def _release(self, holder: str) -> None:
        self._tasks.start(self._mounts.release(holder), "release a volume")

    @asynccontextmanager
    async def _still_source(self, record: VolumeRecord, pause: bool) -> AsyncIterator[Path]:
        """A volume's files, with the containers that use them standing still if ``pause``."""
        holder = f"havre-{ids.new_id()}"
        async with AsyncExitStack() as undo:
            source = await self._source(record, holder)
            undo.callback(self._release, holder)
            for container in self._holders.running_with_volume(record.name) if pause else ():
                # Before it stands still: whatever happens, it goes on.
                undo.push_async_callback(self._freezer.go_on, container)
                await self._freezer.freeze(container)
            yield source

    async def _copy(self, work: Callable[[], Copied], what: str) -> Copied:
        try:
            return await apart(work, what)
        except StoppedError:
            raise SystemFault(f"{what}: broken off, the daemon ends") from None
        except OSError as error:
            raise SystemFault(f"{what}: {error.filename or ''}: {(error.strerror or str(error)).lower()}") from error

    def _writing(self, verb: str, what: str) -> "_Busy":
        return _Busy(self._busy, verb, what)


class _Busy:
    """That something is being written; ``Conflict`` if it is already."""

    def __init__(self, busy: set[str], verb: str, what: str) -> None:
        if what in busy:
            raise Conflict(f"{verb} {what}: it is being written already")
        self._set, self._what = busy, what

    def __enter__(self) -> None:
        self._set.add(self._what)

    def __exit__(self, *_: object) -> None:
        self._set.discard(self._what)


def _unpack(source: Iterator[bytes], data: Path, rules: Rules) -> None:
    target = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        extract(source, target, rules)
    except BrokenOffError:
        raise InvalidParameter("the archive ends too early") from None
    except OSError as error:
        raise SystemFault(f"{rules.shown}: {error.filename}: {(error.strerror or str(error)).lower()}") from None
    finally:
        os.close(target)


def _told(copied: Copied) -> Json:
    return {"Entries": copied.entries, "Size": copied.size, "Shared": copied.shared}
