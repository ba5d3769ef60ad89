"""Removing what is not used: one function a kind of object. The ``prune`` commands and ``system prune`` come in here.

Each asks the daemon, and gives back the bytes regained and the text that says what went, "" if nothing did.
"""

from __future__ import annotations

from havre.cli import filterflag
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from havre.cli.context import Context

    Pairs = Iterable[tuple[str, str]]

SURE = "Are you sure you want to continue?"


def containers(ctx: Context, filters: Pairs) -> tuple[int, str]:
    report = _prune(ctx, "/containers/prune", filters)
    return _told(report, "Deleted Containers:", report.get("ContainersDeleted"))


def images(ctx: Context, filters: Pairs, *, every: bool) -> tuple[int, str]:
    """``every`` removes all images no container uses, else only those without a name."""
    report = _prune(ctx, "/images/prune", [*filters, ("dangling", "false" if every else "true")])
    deleted = report.get("ImagesDeleted") or ()
    lines = [
        f"untagged: {item['Untagged']}" if item.get("Untagged") else f"deleted: {item['Deleted']}" for item in deleted
    ]
    return _told(report, "Deleted Images:", lines)


def volumes(ctx: Context, filters: Pairs) -> tuple[int, str]:
    report = _prune(ctx, "/volumes/prune", filters)
    return _told(report, "Deleted Volumes:", report.get("VolumesDeleted"))


def networks(ctx: Context, filters: Pairs) -> tuple[int, str]:
    report = _prune(ctx, "/networks/prune", filters)
    return _told(report, "Deleted Networks:", report.get("NetworksDeleted"))


def build_cache(ctx: Context, filters: Pairs, *, every: bool, keep: int = 0) -> tuple[int, str]:
    """``keep`` is how many bytes may stay. A daemon that cannot build has no cache to remove."""
    from havre.client.errors import ApiError

    # Each end goes by another name: the one since API 1.48, and the one before.
    kept = keep or None
    found = filterflag.collected(_all(ctx, filters))
    query = {"all": every or None, "keep-storage": kept, "reserved-space": kept, "filters": found}
    try:
        report = ctx.client.post("/build/prune", query).json()
    except ApiError as error:
        if error.status in (404, 501):
            return 0, ""
        raise
    return _told(report, "Deleted build cache objects:", report.get("CachesDeleted"))


def total(size: int) -> str:
    return f"Total reclaimed space: {human_size(size)}"


def print_report(ctx: Context, size: int, text: str) -> int:
    """The end of a ``prune`` command."""
    ctx.out.write(f"{text}\n{total(size)}\n" if text else f"{total(size)}\n")
    return 0


def _prune(ctx: Context, path: str, filters: Pairs) -> dict[str, Any]:
    report: dict[str, Any] = ctx.client.post(path, {"filters": filterflag.collected(_all(ctx, filters))}).json()
    return report


def _all(ctx: Context, filters: Pairs) -> list[tuple[str, str]]:
    """The filters given and config.json's ``pruneFilters``, but for labels the command line wants the other way."""
    pairs = list(filters)
    configured = ctx.config.values.get("pruneFilters")
    for text in configured if isinstance(configured, list) else ():
        name, _, value = str(text).partition("=")
        opposite = {"label": "label!", "label!": "label"}.get(name)
        if value and (opposite, value) not in pairs:
            pairs.append((name, value))
    return pairs


def _told(report: dict[str, Any], title: str, lines: list[str] | None) -> tuple[int, str]:
    if not lines:
        return 0, ""
    return report.get("SpaceReclaimed") or 0, "\n".join([title, *lines]) + "\n"
