"""List: ``GET /containers/json``. Answers have the shape of API 1.51."""

import shlex
import time
from collections.abc import Callable
from typing import Any

from havre.engine.container import select
from havre.engine.container.health import NONE, STARTING
from havre.engine.container.inspect import HealthOf, Inspector, mount_points, network_document
from havre.engine.container.record import CREATED, DEAD, PAUSED, REMOVING, RESTARTING, RUNNING, Container, Health
from havre.engine.container.registry import Registry
from havre.errors import HavreError, NotFound
from havre.image.snapshots import Snapshotter
from havre.image.store import ImageStore
from havre.lib.times import human_duration
from havre.wire.filters import Filters


class Listing:
    """Looks at containers and never changes one."""

    def __init__(
        self,
        registry: Registry,
        images: ImageStore,
        snapshotter: Snapshotter,
        inspector: Inspector,
        health_of: HealthOf,
    ) -> None:
        self._registry = registry
        self._health_of = health_of
        self._images = images
        self._snapshotter = snapshotter
        self._inspector = inspector

    async def inspect(self, reference: str, size: bool = False) -> dict[str, Any]:
        """``GET /containers/{id}/json``."""
        container = self._registry.find(reference)
        document = self._inspector.document(container)
        if size:
            document["SizeRw"], document["SizeRootFs"] = await self._sizes(container)
        return document

    async def list(self, all: bool, limit: int | None, size: bool, filters: Filters) -> list[dict[str, Any]]:
        """Newest first. ``limit`` counts from the newest, running or not, and implies ``all``."""
        matches = select.test(self._registry, filters, self._same_image, self._health_of)
        everything = all or bool(limit and limit > 0) or select.status_given(filters)
        found = sorted(self._registry, key=lambda one: one.created, reverse=True)
        chosen = [one for one in found if (everything or _counts_as_running(one)) and matches(one)]
        if limit and limit > 0:
            chosen = chosen[:limit]
        names = self._image_names()
        now = time.time()
        rows = [_summary(one, names(one), now, self._health_of(one)) for one in chosen]
        aliases = self._inspector.aliases()
        for one, row in zip(chosen, rows, strict=True):
            row["Names"] = [*aliases.get(one.id, ()), *row["Names"]]
        if size:
            for one, row in zip(chosen, rows, strict=True):
                own, row["SizeRootFs"] = await self._sizes(one)
                if own:
                    row["SizeRw"] = own
        return rows

    async def _sizes(self, container: Container) -> tuple[int, int]:
        """Bytes of the container's own layer, and of all it sees."""
        try:
            own = (await self._snapshotter.usage(container.id)).size
        except NotFound:
            own = 0
        image = self._images.get(container.image)
        return own, own + (image.size if image else 0)

    def _same_image(self, reference: str) -> frozenset[str]:
        """The image a reference means and all that stand on the same layers."""
        try:
            image = self._images.resolve(reference)
        except HavreError:
            return frozenset()
        chain = image.chain_id
        return frozenset(
            other.id for other in self._images.all() if other.id == image.id or (chain and chain in other.chain_ids)
        )

    def _image_names(self) -> Callable[[Container], str]:
        """What to call a container's image: as the user did, or by id once that name means another one."""
        known: dict[str, str | None] = {}

        def name(one: Container) -> str:
            asked = one.config.image
            if asked not in known:
                try:
                    known[asked] = self._images.resolve(asked).id
                except HavreError:
                    known[asked] = None
            return asked if known[asked] == one.image else one.image

        return name


def _counts_as_running(one: Container) -> bool:
    return one.state.running or one.state.status == RESTARTING


def _summary(one: Container, image: str, now: float, found: Health | None) -> dict[str, Any]:
    return {
        "Id": one.id,
        "Names": [f"/{one.name}"],
        "Image": image,
        "ImageID": one.image,
        "Command": _command(one),
        "Created": one.created // 1_000_000_000,
        "Ports": _ports(one),
        "Labels": one.config.labels or {},
        "State": one.state.status,
        "Status": status_text(one, now, found),
        "HostConfig": {"NetworkMode": one.host.network_mode, **_annotations(one)},
        "NetworkSettings": {
            "Networks": {name: network_document(one, name, settings) for name, settings in one.endpoints.items()}
        },
        "Mounts": mount_points(one),
        "Health": _health(found),
    }


def _health(found: Health | None) -> dict[str, Any]:
    if found is None:
        return {"Status": NONE, "FailingStreak": 0}
    return {"Status": found.status, "FailingStreak": found.failing_streak}


def _annotations(one: Container) -> dict[str, Any]:
    return {"Annotations": one.host.annotations} if one.host.annotations else {}


def _command(one: Container) -> str:
    if not one.args:
        return one.path
    # Docker quotes an argument that a shell would not take as one word.
    return " ".join([one.path, *(_quoted(argument) for argument in one.args)])


def _quoted(argument: str) -> str:
    if argument and shlex.quote(argument) == argument:
        return argument
    return "'" + argument.replace("'", "'\\''") + "'"


def _ports(one: Container) -> list[dict[str, Any]]:
    if not one.state.running:
        return []
    ports: list[dict[str, Any]] = []
    for port, bindings in one.ports.items():
        number, _, proto = port.partition("/")
        for binding in bindings:
            public = {"PublicPort": int(binding.host_port)} if binding.host_port else {}
            ports.append({"IP": binding.host_ip, "PrivatePort": int(number), **public, "Type": proto})
    for port in one.config.exposed_ports or {}:
        number, _, proto = port.partition("/")
        if port not in one.ports and number.isdecimal():
            ports.append({"PrivatePort": int(number), "Type": proto or "tcp"})
    return ports


def status_text(one: Container, now: float, found: Health | None = None) -> str:
    """The STATUS column of ``ps``. ``now`` in seconds since the epoch, ``found`` what its health check has."""
    state = one.state
    if state.status in (RUNNING, PAUSED):
        up = f"Up {human_duration(now - state.started_at / 1e9)}"
        if state.status == PAUSED:
            return f"{up} (Paused)"
        if found is None:
            return up
        return f"{up} (health: starting)" if found.status == STARTING else f"{up} ({found.status})"
    if state.status == RESTARTING:
        return f"Restarting ({state.exit_code}) {human_duration(now - state.finished_at / 1e9)} ago"
    if state.status == REMOVING:
        return "Removal In Progress"
    if state.status == DEAD:
        return "Dead"
    if state.status == CREATED:
        return "Created"
    if state.finished_at == 0:
        return ""
    return f"Exited ({state.exit_code}) {human_duration(now - state.finished_at / 1e9)} ago"
