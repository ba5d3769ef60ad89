"""Base images of a plan: found once each, with their configuration and what they trigger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from havre.builder.plan.stages import Kind, Origin, StageNeeds
from havre.builder.request import BaseImages, BuildRequest
from havre.builder.trees import Directory, Layer, Tree
from havre.dockerfile.instructions import Instruction
from havre.dockerfile.reading import trigger_of
from havre.dockerfile.settings import Settings
from havre.errors import InvalidParameter
from havre.image import config as configs
from havre.image.blobs import BlobStore
from havre.image.manifest import Platform
from havre.image.store import Image
from havre.lib.times import parse_rfc3339

_IMAGE = "docker-image://"


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image by the name it was asked for; ``document`` is its configuration file."""

    reference: str
    image: Image
    document: dict[str, Any]


@dataclass(slots=True)
class Resolved:
    """All that a plan needs to know of what is not in its Dockerfile."""

    contexts: dict[str, Directory]
    images: dict[tuple[str, str], FoundImage] = field(default_factory=dict)
    platforms: dict[int, str] = field(default_factory=dict)
    bases: dict[int, FoundImage] = field(default_factory=dict)
    triggers: dict[int, tuple[Instruction, ...]] = field(default_factory=dict)

    @property
    def trees(self) -> dict[str, Tree]:
        """The files of images, by their ids."""
        return {found.image.id: _tree(found.image) for found in self.images.values()}

    def image(self, origin: Origin, stage: int) -> FoundImage:
        return self.images[origin.name, self.platforms[stage]]

    def settings(self, stage: int) -> Settings:
        """The configuration a stage begins with."""
        found: Settings = self.bases[stage].document.get("config") or {}
        return found

    def author(self, stage: int) -> str:
        return str(self.bases[stage].document.get("author") or "")

    def configuration(self, stage: int) -> dict[str, Any] | None:
        """The whole configuration file of a stage's base image; None when it stands on none."""
        base = self.bases.get(stage)
        return base.document if base is not None else None


class Resolver:
    """Finds the images of one build."""

    def __init__(self, blobs: BlobStore, bases: BaseImages, request: BuildRequest) -> None:
        self._blobs = blobs
        self._bases = bases
        self._request = request
        directories = {name: one for name, one in request.contexts.items() if isinstance(one, Directory)}
        self.resolved = Resolved({"context": request.context, **directories})

    @property
    def triggers(self) -> dict[int, tuple[Instruction, ...]]:
        """The ONBUILD instructions of base images, by the stages that stand on them."""
        return self.resolved.triggers

    async def resolve(self, needs: Sequence[StageNeeds], platform_of: Callable[[StageNeeds], Platform]) -> bool:
        """Find what ``needs`` name and is not found yet. True when a base image has triggers that are new."""
        before = len(self.triggers)
        for one in needs:
            platform = platform_of(one)
            self.resolved.platforms[one.number] = str(platform)
            for origin in (one.base, *one.origins.values()):
                if (reference := self._reference(origin)) is not None:
                    await self._find(origin.name, reference, platform)
            if self._reference(one.base) is not None and one.number not in self.resolved.bases:
                self._begin(one, self.resolved.images[one.base.name, str(platform)])
        return len(self.triggers) > before

    def _reference(self, origin: Origin) -> str | None:
        """The image's name that ``origin`` stands for; None when it is no image."""
        if origin.kind is Kind.IMAGE:
            return origin.name
        if origin.kind is not Kind.CONTEXT:
            return None
        context = self._request.contexts[origin.name]
        if isinstance(context, Directory):
            return None
        if not context.startswith(_IMAGE):
            raise InvalidParameter(f"the named context {origin.name} is {context!r}: neither a directory nor an image")
        return context.removeprefix(_IMAGE)

    async def _find(self, name: str, reference: str, platform: Platform) -> None:
        key = name, str(platform)
        if key in self.resolved.images:
            return
        image = await self._bases.image(reference, platform, self._request.pull)
        if self._request.lock is not None:
            self._request.lock.image(reference, platform, image.id)
        document = msgspec.json.decode(self._blobs.read(image.id, configs.LARGEST))
        self.resolved.images[key] = FoundImage(reference, image, document)

    def _begin(self, needs: StageNeeds, found: FoundImage) -> None:
        self.resolved.bases[needs.number] = found
        texts = (found.document.get("config") or {}).get("OnBuild") or ()
        if texts:
            self.triggers[needs.number] = tuple(trigger_of(text) for text in texts)


def moment(text: str | None) -> int:
    """When an image says it came about, in nanoseconds since 1970; 0 for nothing that is a time since then."""
    try:
        return max(0, parse_rfc3339(text or ""))
    except ValueError:
        return 0


def _tree(image: Image) -> Tree:
    pairs = zip(image.config.diff_ids, image.layers, strict=True)
    created = moment(image.config.created)
    return Tree(tuple(Layer(diff_id, blob, created=created) for diff_id, blob in pairs))
