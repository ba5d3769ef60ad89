"""Disk usage in lists: the four lines of ``havre system df`` and the build cache of ``-v``."""

from __future__ import annotations

from havre.cli.format import Listing, ago
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Usage = dict[str, Any]

_RUNNING = ("running", "paused", "restarting")


class Line:
    """What one kind of object takes: how many there are and are in use, their bytes and those that could be freed."""

    __slots__ = ("active", "kind", "reclaimable", "size", "total")

    def __init__(self, kind: str, total: int, active: int, size: int, reclaimable: str) -> None:
        self.kind = kind
        self.total = total
        self.active = active
        self.size = size
        self.reclaimable = reclaimable


def lines(usage: Usage) -> list[Line]:
    """The summary of the API's answer."""
    return [
        _images(usage.get("Images") or [], usage.get("LayersSize") or 0),
        _containers(usage.get("Containers") or []),
        _volumes(usage.get("Volumes") or []),
        _cache(usage.get("BuildCache") or []),
    ]


def _images(images: list[Usage], layers: int) -> Line:
    used = [image for image in images if image.get("Containers")]
    kept = sum(image["Size"] - image["SharedSize"] for image in used if -1 not in (image["Size"], image["SharedSize"]))
    return Line("Images", len(images), len(used), layers, _share(layers - kept, layers))


def _containers(containers: list[Usage]) -> Line:
    running = [container for container in containers if container.get("State") in _RUNNING]
    size = sum(container.get("SizeRw") or 0 for container in containers)
    kept = sum(container.get("SizeRw") or 0 for container in running)
    return Line("Containers", len(containers), len(running), size, _share(size - kept, size))


def _volumes(volumes: list[Usage]) -> Line:
    usages = [volume.get("UsageData") or {"Size": -1, "RefCount": 0} for volume in volumes]
    size = sum(usage["Size"] for usage in usages if usage["Size"] != -1)
    free = sum(usage["Size"] for usage in usages if usage["Size"] != -1 and usage["RefCount"] == 0)
    return Line("Local Volumes", len(volumes), sum(usage["RefCount"] > 0 for usage in usages), size, _share(free, size))


def _cache(records: list[Usage]) -> Line:
    size = cache_size(records)
    kept = sum(record["Size"] for record in records if record.get("InUse") and not record.get("Shared"))
    return Line("Build Cache", len(records), sum(bool(r.get("InUse")) for r in records), size, human_size(size - kept))


def cache_size(records: list[Usage]) -> int:
    """The bytes of the build cache; what is shared with an image is that image's."""
    return sum(record["Size"] for record in records if not record.get("Shared"))


def _share(part: int, whole: int) -> str:
    return f"{human_size(part)} ({part * 100 // whole}%)" if whole > 0 else human_size(part)


SUMMARY = Listing(
    "*formatter.diskUsageImagesContext",
    {
        "Type": ("TYPE", lambda line: line.kind),
        "TotalCount": ("TOTAL", lambda line: str(line.total)),
        "Active": ("ACTIVE", lambda line: str(line.active)),
        "Size": ("SIZE", lambda line: human_size(line.size)),
        "Reclaimable": ("RECLAIMABLE", lambda line: line.reclaimable),
    },
    ("Type", "TotalCount", "Active", "Size", "Reclaimable"),
)
SUMMARY_RAW = (
    "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n"
)


class CacheRow:
    """One record of the build cache, and whether its id is cut."""

    __slots__ = ("record", "trunc")

    def __init__(self, record: Usage, trunc: bool) -> None:
        self.record = record
        self.trunc = trunc


def cache_order(record: Usage) -> tuple[str, str]:
    """Sorts the build cache by last use, what was never used first."""
    return record.get("LastUsedAt") or "", record.get("ID", "")


def _cache_id(row: CacheRow) -> str:
    identifier: str = row.record.get("ID", "")
    shown = identifier[:12] if row.trunc else identifier
    return f"{shown}*" if row.record.get("InUse") else shown


def _moment(name: str) -> Any:
    def show(row: CacheRow) -> str:
        from havre.cli.format_typed import Time

        text = row.record.get(name)
        return Time(text).text() if text else ""

    return show


def _since(name: str) -> Any:
    def show(row: CacheRow) -> str:
        from havre.lib.times import SECOND, parse_rfc3339

        text = row.record.get(name)
        return ago(parse_rfc3339(text) / SECOND) if text else ""

    return show


def _word(name: str) -> Any:
    return lambda row: "true" if row.record.get(name) else "false"


CACHE = Listing(
    "*formatter.buildCacheContext",
    {
        "ID": ("CACHE ID", _cache_id),
        "Parent": ("PARENT", lambda row: ", ".join(row.record.get("Parents") or ()) or row.record.get("Parent", "")),
        "CacheType": ("CACHE TYPE", lambda row: row.record.get("Type", "")),
        "Description": ("DESCRIPTION", lambda row: row.record.get("Description", "")),
        "Size": ("SIZE", lambda row: human_size(row.record.get("Size", 0), 3)),
        "CreatedAt": ("CREATED AT", _moment("CreatedAt")),
        "CreatedSince": ("CREATED", _since("CreatedAt")),
        "LastUsedAt": ("LAST USED AT", _moment("LastUsedAt")),
        "LastUsedSince": ("LAST USED", _since("LastUsedAt")),
        "UsageCount": ("USAGE", lambda row: str(row.record.get("UsageCount", 0))),
        "InUse": ("IN USE", _word("InUse")),
        "Shared": ("SHARED", _word("Shared")),
    },
    ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"),
)
CACHE_RAW = (
    "build_cache_id: {{.ID}}\nparent_id: {{.Parent}}\nbuild_cache_type: {{.CacheType}}\ndescription: {{.Description}}\n"
    "created_at: {{.CreatedAt}}\ncreated_since: {{.CreatedSince}}\nlast_used_at: {{.LastUsedAt}}\n"
    "last_used_since: {{.LastUsedSince}}\nusage_count: {{.UsageCount}}\nin_use: {{.InUse}}\nshared: {{.Shared}}\n"
)
