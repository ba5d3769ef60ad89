"""Commit: a container's own files and its configuration become an image. ``docker commit`` comes in here."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from havre.engine.container.changes import ETC, ETC_FILES, layers, refuse_going
from havre.engine.container.create import EventSink
from havre.engine.container.freezing import Freezer
from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.errors import NotFound
from havre.image.committer import Committer, Step
from havre.image.snapshots import Snapshotter
from havre.image.store import Image
from havre.kernel import layerdiff
from havre.lib.references import Reference
from havre.wire.containers import ContainerConfig

Json = dict[str, Any]

# Docker leaves these out of a configuration when they are not set.
_OMITTED = (
    *("ArgsEscaped", "ExposedPorts", "Healthcheck", "MacAddress", "NetworkDisabled", "Shell", "StopSignal"),
    "StopTimeout",
)
_HEALTH = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")


class ImageSource(Protocol):
    """Where the container's image is found by its id."""

    def get(self, image_id: str) -> Image | None: ...


class Commits:
    """``POST /commit``."""

    def __init__(
        self,
        registry: Registry,
        images: ImageSource,
        snapshotter: Snapshotter,
        committer: Committer,
        freezer: Freezer,
        events: EventSink,
    ) -> None:
        self._registry = registry
        self._images = images
        self._snapshotter = snapshotter
        self._committer = committer
        self._freezer = freezer
        self._events = events

    async def commit(
        self,
        reference: str,
        name: Reference | None,
        config: ContainerConfig | None,
        changes: Sequence[str],
        author: str,
        comment: str,
        pause: bool,
    ) -> str:
        """Make an image of the container, and return its id.

        Its configuration is ``config`` with the ``changes`` (Dockerfile instructions), completed by the container's.
        With ``pause`` the processes stand still while the files are read. Volumes are not in it.
        """
        container = self._registry.find(reference)
        refuse_going(container, "commit")
        own = document(container.config)
        settings = document(config) if config is not None else own
        if changes:
            # The Dockerfile's grammar takes a while to import, and few ask for it.
            from havre.engine import changes as instructions

            settings = instructions.apply(changes, settings)
        base = self._images.get(container.image)
        if base is None:
            raise NotFound(f"No such image: {container.image}")
        command = container.config.cmd or []
        step = Step(
            settings=merged(settings, own),
            container=container.id,
            container_settings=own,
            command=command if isinstance(command, str) else " ".join(command),
            author=author,
            comment=comment,
        )
        image = await self._make(container, base, step, name, pause)
        self._tell(container, image, name, comment)
        return image.id

    async def _make(self, container: Container, base: Image, step: Step, name: Reference | None, pause: bool) -> Image:
        upper, below = layers(self._snapshotter, container.id)
        without = await asyncio.to_thread(layerdiff.placeholders, upper, below, ETC, ETC_FILES)
        still = _Still(self._registry, self._freezer if pause else None, container.id)
        try:
            return await self._committer.commit(base, upper, without, step, [name] if name else [], still)
        finally:
            await still.let_go()

    def _tell(self, container: Container, image: Image, name: Reference | None, comment: str) -> None:
        labels = image.config.labels or {}
        shown = name.familiar() if name else ""
        self._events.publish("image", "create", image.id, {**labels, "name": image.id})
        if name is not None:
            self._events.publish("image", "tag", image.id, {**labels, "name": shown})
        attributes = container.event_attributes(comment=comment, imageID=image.id, imageRef=shown)
        self._events.publish("container", "commit", container.id, attributes)


class _Still:
    """The time in which a container's files are read; without a freezer they may change meanwhile."""

    def __init__(self, registry: Registry, freezer: Freezer | None, container_id: str) -> None:
        self._registry = registry
        self._freezer = freezer
        self._container_id = container_id
        self._frozen = False

    async def begin(self) -> None:
        """Let the container's processes stand still."""
        if self._freezer is not None:
            self._frozen = await self._freezer.freeze(self._container_id)

    async def end(self) -> None:
        """Let them go on. Raises ``NotFound`` when the container was removed meanwhile."""
        await self.let_go()
        # Its files were on their way out while they were read.
        self._registry.current(self._container_id)

    async def let_go(self) -> None:
        """Let them go on, if they do not yet."""
        if self._freezer is not None and self._frozen:
            self._frozen = False
            await self._freezer.go_on(self._container_id)


def document(config: ContainerConfig) -> Json:
    """A configuration in the words of its JSON, as Docker stores it."""
    found: Json = msgspec.to_builtins(config)
    return {key: value for key, value in found.items() if value or key not in _OMITTED}


def merged(given: Mapping[str, Any], own: Mapping[str, Any]) -> Json:
    """``given``, completed by the container's ``own`` configuration by Docker's rules; neither is changed."""
    result = dict(given)
    for key in ("User", "WorkingDir", "StopSignal"):
        if not given.get(key) and own.get(key):
            result[key] = own[key]
    for key in ("ExposedPorts", "Volumes", "Labels"):
        if own.get(key):
            # The container decides only what a volume or port is, which is nothing.
            result[key] = {**own[key], **(given.get(key) or {})}
    names = {entry.partition("=")[0] for entry in given.get("Env") or ()}
    inherited = [entry for entry in own.get("Env") or () if entry.partition("=")[0] not in names]
    if inherited:
        result["Env"] = [*(given.get("Env") or ()), *inherited]
    if result.get("Labels") is None:
        result["Labels"] = {}
    if not given.get("Entrypoint"):
        if not given.get("Cmd"):
            result["Cmd"] = own.get("Cmd")
        if given.get("Entrypoint") is None:
            result["Entrypoint"] = own.get("Entrypoint")
    if (check := own.get("Healthcheck")) is not None:
        asked = given.get("Healthcheck") or {}
        result["Healthcheck"] = {key: value for key in _HEALTH if (value := asked.get(key) or check.get(key))}
    return result
