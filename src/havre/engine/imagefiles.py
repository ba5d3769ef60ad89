"""``havre image layers`` and ``havre image diff``: what is in images, and how two of them differ."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from havre.errors import SystemFault
from havre.image import explore
from havre.image.config import HistoryEntry
from havre.image.snapshots import Snapshotter
from havre.image.store import Image, ImageStore

Json = dict[str, Any]
T = TypeVar("T")
_FIELDS = (
    *("platform", "env", "entrypoint", "cmd", "working_dir", "user", "exposed_ports", "volumes", "labels"),
    *("stop_signal", "healthcheck", "shell", "on_build"),
)


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Looks into the layers of images."""

    images: ImageStore
    snapshotter: Snapshotter

    async def layers(self, reference: str) -> Json:
        """``GET /havre/images/{name}/layers``: what each layer adds, bottom first, and what it hides of those below.

        ``{"Id", "Size", "Wasted", "Layers": [{"Digest", "CreatedBy", "Added", "Changed", "Deleted", "Size", "Wasted",
        "Largest": [{"Path", "Size"}]}]}``; sizes in bytes of files.
        """
        image = self.images.resolve(reference)
        with self.images.hold():
            _, found = await self._stacked(image)
        words = _created_by(image.config.history, len(found))
        layers = [
            {
                "Digest": diff_id,
                "CreatedBy": word,
                "Added": layer.added,
                "Changed": layer.changed,
                "Deleted": layer.deleted,
                "Size": layer.size,
                "Wasted": layer.wasted,
                "Largest": [{"Path": path, "Size": size} for path, size in layer.largest],
            }
            for diff_id, word, layer in zip(image.config.diff_ids, words, found, strict=True)
        ]
        size, wasted = (sum(each) for each in ([one.size for one in found], [one.wasted for one in found]))
        return {"Id": image.id, "Size": size, "Wasted": wasted, "Layers": layers}

    async def diff(self, one: str, other: str) -> Json:
        """``GET /havre/images/diff``: how the image ``other`` differs from ``one``.

        ``{"Config": [{"Field", "Before", "After"}], "Files": [{"Kind", "Path", "Before", "After", "What"}],
        "SharedLayers"}``; kinds are A(dded), D(eleted) and C(hanged), sizes bytes.
        """
        before, after = self.images.resolve(one), self.images.resolve(other)
        with self.images.hold():
            (first, _), (second, _) = await self._stacked(before), await self._stacked(after)
            changes = await _in_thread(lambda: explore.differences(first, second))
        shared = 0
        for mine, theirs in zip(before.chain_ids, after.chain_ids, strict=False):
            if mine != theirs:
                break
            shared += 1
        return {
            "Config": _config_changes(before, after),
            "Files": [
                {"Kind": one.kind, "Path": one.path, "Before": one.before, "After": one.after, "What": one.what}
                for one in changes
            ],
            "SharedLayers": shared,
        }

    async def _stacked(self, image: Image) -> tuple[explore.Node, list[explore.Layer]]:
        uppers: list[Path] = [self.snapshotter.upper(chain_id) for chain_id in image.chain_ids]
        return await _in_thread(lambda: explore.stacked(uppers))


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise SystemFault(f"cannot read the layers: {error}: see havre system fsck") from error


def _created_by(history: tuple[HistoryEntry, ...], count: int) -> list[str]:
    """What made each layer; "" where the history does not say."""
    words = [entry.created_by for entry in history if not entry.empty_layer]
    return [*words, *[""] * count][:count] if len(words) <= count else words[:count]


def _config_changes(before: Image, after: Image) -> list[Json]:
    found = []
    for name in _FIELDS:
        one, other = (_shown(getattr(image.config, name)) for image in (before, after))
        if one != other:
            found.append({"Field": name, "Before": one, "After": other})
    return found


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={text}" for key, text in sorted(value.items()))
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
