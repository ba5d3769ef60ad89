"""``havre system fsck``: all that is kept on disk held against its records, and the other way round.

What the kernel holds (networks, mounts, processes) is brought together with the records at every start of the daemon;
here it is about content.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from havre.engine.container.registry import Registry
from havre.image.check import Finding, ImageCheck, Progress
from havre.image.snapshots import Snapshotter
from havre.store.layout import Layout
from havre.volume import VolumeDriver
from havre.volume.store import VolumeStore

Json = dict[str, Any]
_HARMLESS = ("unused",)


@dataclass(frozen=True, slots=True)
class Fsck:
    """Checks the data root."""

    images: ImageCheck
    registry: Registry
    volumes: VolumeStore
    drivers: Mapping[str, VolumeDriver]
    snapshotter: Snapshotter
    layout: Layout

    async def run(self, repair: bool) -> AsyncIterator[Json]:
        """``POST /havre/fsck``: messages of progress and findings, and a summary as the last.

        ``{"Progress": {"Kind", "Done", "Total"}}``, ``{"Finding": {"Kind", "Name", "Problem", "Repaired"}}``,
        ``{"Summary": {"Checked": {kind: number}, "Problems", "Repaired", "Unused"}}``. Problems are those left.
        """
        checked: dict[str, int] = {}
        problems = repaired = unused = 0
        async for step in self._steps(repair):
            if isinstance(step, Progress):
                checked[step.kind] = step.total
                yield {"Progress": {"Kind": step.kind, "Done": step.done, "Total": step.total}}
                continue
            unused += step.kind in _HARMLESS
            repaired += bool(step.repaired)
            problems += step.kind not in _HARMLESS and not step.repaired
            yield {
                "Finding": {
                    "Kind": step.kind,
                    "Name": step.name,
                    "Problem": step.problem,
                    "Repaired": step.repaired,
                }
            }
        summary = {"Checked": checked, "Problems": problems, "Repaired": repaired, "Unused": unused}
        yield {"Summary": summary}

    async def _steps(self, repair: bool) -> AsyncIterator[Finding | Progress]:
        async for step in self.images.run(repair):
            yield step
        for finding in self._containers():
            yield finding
        count = len(list(self.registry))
        yield Progress("container", count, count)
        volumes = [record for record in self.volumes.all() if record.driver in self.drivers]
        for record in volumes:
            if not self.drivers[record.driver].path(record.name).is_dir():
                yield Finding("volume", record.name, "its directory is gone")
        yield Progress("volume", len(volumes), len(volumes))

    def _containers(self) -> list[Finding]:
        found = []
        snapshots = self.snapshotter.all()
        for container in self.registry:
            name = container.name
            snapshot = snapshots.get(container.id)
            if snapshot is None or not self.snapshotter.upper(container.id).is_dir():
                found.append(Finding("container", name, "its files are gone"))
            elif snapshot.parent is not None and snapshot.parent not in snapshots:
                found.append(Finding("container", name, "a layer it stands on is gone"))
            if not self.layout.container(container.id).is_dir():
                found.append(Finding("container", name, "its directory is gone"))
        return found
