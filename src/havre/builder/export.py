"""A planned and solved stage becomes an image: its configuration written, its layers named."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from havre.builder.plan.planning import Entry, StageResult
from havre.builder.plan.vertices import Vertex
from havre.builder.resolving import moment
from havre.builder.trees import Layer, Tree
from havre.image.manifest import Platform
from havre.lib.times import rfc3339nano


def configuration(
    stage: StageResult,
    tree: Tree,
    layer_of: Callable[[Vertex], Layer | None],
    base: dict[str, Any] | None,
    platform: Platform,
    epoch: int | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """The configuration file, whose digest is the image's id: ``base`` is the base image's, ``tree`` all layers.

    The same inputs give the same image: times are those of its content, not of the build. ``more`` are
    fields of havre's own.
    """
    base = base or {}
    history, created = _history(stage.history, layer_of, base, epoch)
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "os": platform.os,
        **({"variant": platform.variant} if platform.variant else {}),
        **{key: base[key] for key in ("os.version", "os.features") if key in base},
        "config": {key: value for key, value in stage.settings.items() if value not in (None, "", [], {})},
        "created": rfc3339nano(created),
        "history": history,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in tree.layers]},
        **(more or {}),
    }
    if stage.author:
        document["author"] = stage.author
    return msgspec.json.encode(document, order="sorted")


def _history(
    entries: Sequence[Entry],
    layer_of: Callable[[Vertex], Layer | None],
    base: dict[str, Any],
    epoch: int | None,
) -> tuple[list[dict[str, Any]], int]:
    """The base's history and this build's, and when the image came about: with the newest of what is in it."""
    history: list[dict[str, Any]] = list(base.get("history") or ())
    created = moment(base.get("created"))
    for entry in entries:
        layer = layer_of(entry.vertex) if entry.vertex is not None else None
        if layer is not None:
            created = max(created, layer.created)
        history.append(
            {
                "created": rfc3339nano(created if epoch is None else epoch),
                "created_by": entry.created_by,
                "comment": "havre",
                **({"empty_layer": True} if layer is None else {}),
            }
        )
    return history, created if epoch is None else epoch
