"""What builds keep on the disk, counted and pruned: steps, cache mounts, contexts. ``/build/prune`` and ``/system/df``.

A step's layers may be an image's as well; then they stay when the step is forgotten, and count as shared.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from havre.builder.cache import BuildCache, Record
from havre.builder.keptcontexts import KeptContext
from havre.builder.mounts import CacheMounts
from havre.errors import InvalidParameter
from havre.image.store import ImageStore
from havre.lib.times import parse_timestamp, rfc3339nano
from havre.wire.filters import Filters

Json = dict[str, Any]

# ``label`` comes with ``docker system prune``; nothing here has one.
_FILTERS = (
    "id",
    "parent",
    "type",
    "description",
    "inuse",
    "shared",
    "private",
    "until",
    "unused-for",
    "label",
    "label!",
)
_STEP, _MOUNT, _CONTEXT = "regular", "exec.cachemount", "source.local"


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that builds keep. ``keys`` are the names it has in its store, ``layer`` is a step's own; times in
    nanoseconds since 1970.
    """

    id: str
    kind: str
    description: str
    size: int
    created: int
    used: int
    count: int
    keys: tuple[str, ...]
    layer: str = ""
    parents: tuple[str, ...] = ()
    in_use: bool = False
    shared: bool = False

    def told(self) -> Json:
        """As ``GET /system/df`` tells it."""
        return {
            "ID": self.id,
            **({"Parents": list(self.parents)} if self.parents else {}),
            "Type": self.kind,
            "Description": self.description,
            "InUse": self.in_use,
            "Shared": self.shared,
            "Size": self.size,
            "CreatedAt": rfc3339nano(self.created),
            "LastUsedAt": rfc3339nano(self.used),
            "UsageCount": self.count,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may stay, in bytes: at least ``reserved``, at most ``used``, and ``free`` of the disk shall be free."""

    reserved: int = 0
    used: int = 0
    free: int = 0


class Contexts(Protocol):
    """Contexts that are kept, of one door."""

    def all(self) -> list[KeptContext]: ...

    async def remove(self, identity: str) -> None: ...


class Upkeep:
    """Counts and prunes for one daemon. ``publish`` tells of a prune: the bytes it freed."""

    def __init__(
        self,
        cache: BuildCache,
        images: ImageStore,
        mounts: CacheMounts,
        contexts: Sequence[Contexts],
        publish: Callable[[int], None],
    ) -> None:
        self._cache = cache
        self._images = images
        self._mounts = mounts
        self._contexts = contexts
        self._publish = publish

    async def usage(self) -> list[Json]:
        """All that is kept."""
        return [one.told() for one in await self._kept()]

    async def exceeds(self, limits: Limits) -> bool:
        """Whether more is kept than may stay."""
        total = sum(one.size for one in await self._kept() if not one.shared)
        return total > self._may_stay(total, limits)

    async def prune(self, everything: bool, filters: Filters, limits: Limits) -> Json:
        """Remove what fits ``filters``, oldest use first, until ``limits`` are kept; without ``everything`` not what
        images share.
        """
        filters.validate(_FILTERS)
        before = _moment(filters)
        kept = await self._kept()
        total = sum(one.size for one in kept if not one.shared)
        surplus = total - self._may_stay(total, limits)
        gone = []
        for one in sorted(kept, key=lambda one: one.used):
            if limits != Limits() and surplus <= 0:
                break
            if one.in_use or (one.shared and not everything) or one.used > before or not _fits(one, filters):
                continue
            gone.append(one)
            surplus -= 0 if one.shared else one.size
        await self._remove(gone)
        left = {record.layer.diff_id for record in self._cache.records().values() if record.layer is not None}
        sizes = {one.layer or one.id: one.size for one in gone if not one.shared and one.layer not in left}
        freed = sum(sizes.values())
        self._publish(freed)
        return {"CachesDeleted": [one.id for one in gone] or None, "SpaceReclaimed": freed}

    async def _remove(self, gone: Iterable[Kept]) -> None:
        keys: dict[str, list[str]] = {_STEP: [], _MOUNT: [], _CONTEXT: []}
        for one in gone:
            keys[one.kind] += one.keys
        if keys[_STEP]:
            blobs = self._cache.blobs()
            await self._cache.remove(keys[_STEP])
            await self._images.abandon(blobs - self._cache.blobs())
        for name in keys[_MOUNT]:
            await self._mounts.remove(name)
        for identity in keys[_CONTEXT]:
            for contexts in self._contexts:
                await contexts.remove(identity)

    def _may_stay(self, total: int, limits: Limits) -> int:
        if not (limits.used or limits.free):
            return limits.reserved
        most = min(total, limits.used) if limits.used else total
        if limits.free:
            most = min(most, total - (limits.free - shutil.disk_usage(self._mounts.directory.parent).free))
        return max(most, limits.reserved)

    async def _kept(self) -> list[Kept]:
        steps = _steps(self._cache.records(), self._shared())
        mounts = [
            Kept(
                *(one.name, _MOUNT, f"cached mount {one.identity}", one.size, one.created, one.used, 1, (one.name,)),
                in_use=one.in_use,
            )
            for one in await asyncio.to_thread(self._mounts.all)
        ]
        contexts = [
            Kept(
                *(one.id, _CONTEXT, "local source for context", one.size, one.created, one.used, 1, (one.id,)),
                in_use=one.in_use,
            )
            for contexts in self._contexts
            for one in await asyncio.to_thread(contexts.all)
        ]
        return [*steps, *mounts, *contexts]

    def _shared(self) -> set[tuple[str, ...]]:
        """The stacks of layers that images have."""
        found: set[tuple[str, ...]] = set()
        for image in self._images.all():
            diff_ids = tuple(image.config.diff_ids)
            found.update(diff_ids[:count] for count in range(len(diff_ids) + 1))
        return found


def _steps(records: Mapping[str, Record], shared: set[tuple[str, ...]]) -> list[Kept]:
    """A step kept under several keys is one thing."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for key, record in records.items():
        layer = record.layer.diff_id if record.layer is not None else ""
        groups.setdefault((tuple(record.chain), layer, record.description), []).append(key)
    ids: dict[tuple[str, ...], str] = {}
    for group, keys in groups.items():
        ids.setdefault(group[0], min(keys).removeprefix("sha256:"))
    found = []
    for (chain, layer, description), keys in groups.items():
        identity = min(keys).removeprefix("sha256:")
        known = [records[key] for key in keys]
        below = ids.get(chain[:-1]) if layer else None
        found.append(
            Kept(
                id=identity,
                kind=_STEP,
                description=description,
                size=known[0].layer.size if known[0].layer is not None else 0,
                created=min(one.created for one in known),
                used=max(one.used for one in known),
                count=max(one.count for one in known),
                keys=tuple(keys),
                layer=layer,
                parents=(below,) if below and below != identity else (),
                shared=bool(layer) and chain in shared,
            )
        )
    return found


def _moment(filters: Filters) -> int:
    """What was used after this stays."""
    texts = [*filters.values_of("until"), *filters.values_of("unused-for")]
    if len(texts) > 1:
        raise InvalidParameter("more than one value of the filter until")
    now = time.time_ns()
    if not texts:
        return now
    try:
        return parse_timestamp(texts[0], now)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _fits(one: Kept, filters: Filters) -> bool:
    for name, value in (("id", one.id), ("type", one.kind), ("description", one.description)):
        wanted = filters.values_of(name)
        if wanted and not any(value == each or (name == "id" and value.startswith(each)) for each in wanted):
            return False
    parents = filters.values_of("parent")
    if parents and not any(parent.startswith(each) for each in parents for parent in one.parents):
        return False
    return (
        filters.flag("inuse", one.in_use) == one.in_use
        and filters.flag("shared", one.shared) == one.shared
        and filters.flag("private", not one.shared) != one.shared
    )
