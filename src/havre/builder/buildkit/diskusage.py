"""moby.buildkit.v1.Control: what builds keep on the disk, for ``buildx du`` and ``buildx prune``."""

from dataclasses import dataclass
from typing import Any

from havre.builder.buildkit.messages.control import DiskUsageRequest, DiskUsageResponse, PruneRequest, UsageRecord
from havre.builder.buildkit.messages.shared import timestamp
from havre.builder.buildkit.rpc import Handler, Stream, streaming, unary
from havre.builder.upkeep import Limits, Upkeep
from havre.errors import Unsupported
from havre.lib.times import parse_rfc3339
from havre.wire.filters import Filters

_PATH = "/moby.buildkit.v1.Control/"
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Answers the calls about it."""

    upkeep: Upkeep

    def handlers(self) -> dict[str, Handler]:
        """By path."""
        return {
            f"{_PATH}DiskUsage": unary(DiskUsageRequest, self._usage),
            f"{_PATH}Prune": streaming(PruneRequest, self._prune),
        }

    async def _usage(self, request: DiskUsageRequest, stream: Stream) -> DiskUsageResponse:
        if _filters(request.filter) or request.age_limit:
            raise Unsupported("havre does not implement filters of the disk usage")
        return DiskUsageResponse([_record(one) for one in await self.upkeep.usage()])

    async def _prune(self, request: PruneRequest, stream: Stream) -> None:
        values = _filters(request.filter)
        if request.keep_duration:
            values["until"] = [f"{request.keep_duration // _SECOND}s"]
        limits = Limits(request.reserved_space, request.max_used_space, request.min_free_space)
        before = {str(one["ID"]): one for one in await self.upkeep.usage()}
        gone = await self.upkeep.prune(request.all, Filters(values), limits)
        for identity in gone["CachesDeleted"] or ():
            if identity in before:  # else it came between the two
                await stream.send(_record(before[identity]))


def _filters(texts: list[str]) -> dict[str, list[str]]:
    """BuildKit's ``name==value`` and ``name``, as Docker's filters."""
    found: dict[str, list[str]] = {}
    for text in filter(None, texts):
        name, equals, value = text.partition("==")
        if not name.isidentifier():
            raise Unsupported(f"havre does not implement the filter {text}")
        found.setdefault(name, []).append(value if equals else "true")
    return found


def _record(one: dict[str, Any]) -> UsageRecord:
    return UsageRecord(
        id=one["ID"],
        in_use=one["InUse"],
        size=one["Size"],
        created=timestamp(parse_rfc3339(one["CreatedAt"])),
        used=timestamp(parse_rfc3339(one["LastUsedAt"])),
        count=one["UsageCount"],
        description=one["Description"],
        type=one["Type"],
        shared=one["Shared"],
        parents=list(one.get("Parents", ())),
    )
