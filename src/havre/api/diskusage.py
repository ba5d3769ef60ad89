"""``system df`` since API 1.52: how many objects of each kind there are, how many are in use, and what could be freed.

Made from the objects themselves, which older clients got to sum up on their own.
"""

from collections.abc import Callable, Iterable
from typing import Any

Json = dict[str, Any]

_ACTIVE = ("running", "paused", "restarting")


def usage_summaries(usage: Json, verbose: bool) -> Json:
    """The summary of each kind ``usage`` has objects of; with ``verbose`` the objects are its ``Items``."""
    kinds: dict[str, tuple[str, Callable[[Json, list[Json]], Json]]] = {
        "ImageUsage": ("Images", _images),
        "ContainerUsage": ("Containers", _containers),
        "VolumeUsage": ("Volumes", _volumes),
        "BuildCacheUsage": ("BuildCache", _build_cache),
    }
    summaries: Json = {}
    for name, (kind, summarize) in kinds.items():
        items = usage.get(kind)
        if items is None:
            continue
        summary = summaries[name] = {"TotalCount": len(items), **summarize(usage, items)}
        if verbose and items:
            summary["Items"] = items
    return summaries


def _images(usage: Json, items: list[Json]) -> Json:
    """What no used image needs could be freed; layers that several share count for none of them."""
    total = usage.get("LayersSize", 0)
    used = sum(item["Size"] - max(item["SharedSize"], 0) for item in items if item["Containers"])
    active = sum(1 for item in items if item["Containers"])
    return {"ActiveCount": active, "TotalSize": total, "Reclaimable": max(total - used, 0) if active else total}


def _containers(_: Json, items: list[Json]) -> Json:
    return _sums(items, lambda item: item.get("SizeRw") or 0, lambda item: item["State"] in _ACTIVE)


def _volumes(_: Json, items: list[Json]) -> Json:
    return _sums(
        items,
        lambda item: max((item.get("UsageData") or {}).get("Size", 0), 0),
        lambda item: bool((item.get("UsageData") or {}).get("RefCount", 0)),
    )


def _build_cache(_: Json, items: list[Json]) -> Json:
    return _sums(items, lambda item: item["Size"], lambda item: item["InUse"])


def _sums(items: Iterable[Json], size: Callable[[Json], int], active: Callable[[Json], bool]) -> Json:
    count = total = reclaimable = 0
    for item in items:
        total += size(item)
        if active(item):
            count += 1
        else:
            reclaimable += size(item)
    return {"ActiveCount": count, "TotalSize": total, "Reclaimable": reclaimable}
