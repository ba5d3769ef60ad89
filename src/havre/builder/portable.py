"""A build cache that travels: which steps gave which layers, as a field of an image's configuration.

With ``inline`` that is the image that was built; else an image of its own, whose layers are those of the steps. Others
take the field for one they do not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from havre.builder.cache import Record
from havre.builder.trees import Layer
from havre.errors import InvalidParameter
from havre.image.manifest import Descriptor, Platform

FIELD = "havre.build.cache.v1"


@dataclass(frozen=True, slots=True)
class Done:
    """A step of a build and the layer it gave; None: it changed nothing."""

    keys: tuple[str, ...]
    layer: Layer | None
    name: str


class _Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``layer`` is its number among the image's; None: it changed nothing."""

    keys: list[str]
    layer: int | None = None
    size: int = 0
    created: int = 0
    name: str = ""


class _Cache(msgspec.Struct, frozen=True):
    steps: list[_Step]


class _Root(msgspec.Struct, frozen=True):
    diff_ids: list[str] = []


class _Configuration(msgspec.Struct, frozen=True, kw_only=True):
    rootfs: _Root = _Root()
    cache: _Cache | None = msgspec.field(default=None, name=FIELD)


def field(steps: Sequence[Done], diff_ids: Sequence[str]) -> dict[str, Any]:
    """The steps that gave layers of these, or none, for the configuration of the image with these layers."""
    numbers = {diff_id: number for number, diff_id in enumerate(diff_ids)}
    kept = [_step(done, numbers) for done in steps if done.layer is None or done.layer.diff_id in numbers]
    kept.sort(key=lambda step: step.keys)
    document: dict[str, Any] = msgspec.to_builtins(_Cache(kept))
    return document


def configuration(steps: Sequence[Done], layers: Sequence[Layer], platform: Platform) -> bytes:
    """The configuration of an image that is nothing but a cache. The same steps give the same bytes."""
    diff_ids = [layer.diff_id for layer in layers]
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        FIELD: field(steps, diff_ids),
    }
    return msgspec.json.encode(document, order="sorted")


def read(data: bytes, blobs: Sequence[Descriptor]) -> dict[str, Record] | None:
    """The steps by their keys; None for an image without a cache. ``blobs`` are the image's layers.

    Raises ``InvalidParameter`` for what is no configuration.
    """
    try:
        found = msgspec.json.decode(data, type=_Configuration)
    except msgspec.MsgspecError as error:
        raise InvalidParameter(f"invalid build cache: {error}") from None
    if found.cache is None:
        return None
    diff_ids = found.rootfs.diff_ids
    if len(blobs) != len(diff_ids):
        raise InvalidParameter(f"invalid build cache: {len(diff_ids)} layers in it, {len(blobs)} in its manifest")
    records: dict[str, Record] = {}
    for step in found.cache.steps:
        layer: Layer | None = None
        if step.layer is not None:
            if not 0 <= step.layer < len(blobs):
                raise InvalidParameter(f"invalid build cache: no layer {step.layer}")
            layer = Layer(diff_ids[step.layer], blobs[step.layer], step.size, step.created)
        record = Record(chain=[], layer=layer, inputs={}, description=step.name, created=0, used=0)
        records.update(dict.fromkeys(step.keys, record))
    return records


def _step(done: Done, numbers: Mapping[str, int]) -> _Step:
    keys = sorted(done.keys)
    if done.layer is None:
        return _Step(keys=keys, name=done.name)
    layer = done.layer
    return _Step(keys=keys, layer=numbers[layer.diff_id], size=layer.size, created=layer.created, name=done.name)
