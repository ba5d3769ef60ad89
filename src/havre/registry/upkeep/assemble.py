"""Joins what keeps a registry in its bounds to it."""

from collections.abc import Callable, Mapping
from typing import Any

from havre.registry.app import Registry
from havre.registry.control import Control
from havre.registry.upkeep.collect import Collector, Report
from havre.registry.upkeep.leases import Leases
from havre.registry.upkeep.quota import Quotas
from havre.registry.upkeep.settings import Upkeep


def install(registry: Registry, settings: Upkeep, control: Control, cached: Callable[[str], bool]) -> Collector:
    """Give ``registry`` its leases and quotas, and ``control`` the command ``gc``. The collector is the caller's."""
    registry.leases = Leases(settings.gc.grace)
    collector = Collector(registry, settings, cached)
    if settings.quotas:
        quotas = Quotas(registry.catalog.database, settings.quotas)
        registry.quota = quotas
        registry.catalog.settle = quotas.settle

    async def collect(asked: Mapping[str, Any]) -> Any:
        return summary(await collector.collect(dry=bool(asked.get("dry"))))

    control.commands["gc"] = collect
    return collector


def summary(report: Report) -> dict[str, Any]:
    """A report as JSON can have it."""
    return {
        "uploads": report.uploads,
        "tags": [[repository, each.tag, each.digest, each.reason] for repository, each in report.tags],
        "manifests": [[repository, each.digest, each.reason] for repository, each in report.manifests],
        "blobs": [[link.repository, link.digest, link.size] for link in report.blobs],
        "contents": report.contents,
        "bytes": report.bytes,
    }
