"""How images are shown: ``docker images``, ``image inspect``, ``history``, and their part of ``system df``.

``Images`` comes in here. Answers have the shape of Engine API 1.51; the door adapts them for older clients.
"""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from havre.engine.imagemanifests import ImageUsers, ManifestListing
from havre.errors import InvalidParameter
from havre.image.blobs import BlobStore
from havre.image.config import ImageConfig
from havre.image.manifest import Platform
from havre.image.snapshots import Snapshotter
from havre.image.store import Image, ImageStore
from havre.lib import globs
from havre.lib.references import Reference
from havre.lib.times import parse_timestamp, rfc3339nano
from havre.wire.filters import Filters

Json = dict[str, Any]
Rows = list[Json]
_FILTERS = ("dangling", "label", "before", "since", "reference", "until")
_NEVER = "0001-01-01T00:00:00Z"


class ImageListing:
    """Reads the image store for people."""

    def __init__(self, images: ImageStore, blobs: BlobStore, snapshotter: Snapshotter, users: ImageUsers) -> None:
        self._images = images
        self._manifests = ManifestListing(images, blobs, users)
        self._snapshotter = snapshotter
        self._users = users

    def list(self, all: bool, filters: Filters, shared_size: bool, manifests: bool = False) -> Rows:
        """``GET /images/json``: newest first. Without ``all`` nameless images others were built on are left out.

        What one name has for several platforms is one row; ``manifests`` shows those in it.
        ``InvalidParameter`` for filters images do not have, ``NotFound`` for a before or since that is no image.
        """
        filters.validate(_FILTERS)
        dangling = filters.flag("dangling")
        before = _least(self._time_of(filters, "before"), _until(filters))
        since = self._time_of(filters, "since")
        shared = self._shared() if shared_size else None
        rows: list[tuple[int, Json]] = []
        for image in self._images.all():
            created = created_ns(image)
            if (before is not None and created >= before) or (since is not None and created <= since):
                continue
            if not filters.match_labels(image.config.labels):
                continue
            names = _matching(image.names, filters)
            if not self._wanted(image, names, all, filters, dangling):
                continue
            row = self._summary(image, names, shared)
            if manifests:
                row |= self._with_manifests(image)
            rows.append((created, row))
        rows.sort(key=lambda row: row[0], reverse=True)
        return [row for _, row in rows]

    def inspect(
        self, ref: str, container: bool = False, platform: Platform | None = None, manifests: bool = False
    ) -> Json:
        """``GET /images/{name}/json``. With ``container`` also what it was committed from. Raises ``NotFound``."""
        image = self._images.resolve(ref, platform)
        config = image.config
        # By a name that means another platform's image, this one is called as well.
        names = image.names or sorted(self._images.reaching(image.id), key=Reference.canonical)
        tagged = image.record.tagged
        return {
            "Id": image.id,
            "RepoTags": [name.familiar() for name in names if name.tag],
            "RepoDigests": [name.familiar() for name in names if name.digest],
            "Parent": image.record.parent or "",
            "Comment": _comment(config),
            "Created": config.created or _NEVER,
            "DockerVersion": config.docker_version,
            "Author": config.author,
            "Architecture": config.architecture,
            **({"Variant": config.variant} if config.variant else {}),
            "Os": config.os,
            **({"OsVersion": config.os_version} if config.os_version else {}),
            "Size": image.size,
            "GraphDriver": {"Name": "overlay2", "Data": self._directories(image)},
            "RootFS": {"Type": "layers", **({"Layers": list(config.diff_ids)} if config.diff_ids else {})},
            "Metadata": {"LastTagTime": rfc3339nano(tagged) if tagged else _NEVER},
            "Config": shown_config(config),
            **(_origin(config) if container else {}),
            **(self._with_manifests(image) if manifests else {}),
        }

    def _with_manifests(self, image: Image) -> Json:
        return {"Descriptor": self._manifests.descriptor(image), "Manifests": self._manifests.summaries(image)}

    def history(self, ref: str, platform: Platform | None = None) -> Rows:
        """``GET /images/{name}/history``: newest step first. Only the image itself has its id, older steps none."""
        image = self._images.resolve(ref, platform)
        sizes = iter(image.layer_sizes)
        steps: list[Json] = []
        for entry in image.config.history:
            steps.append(
                {
                    "Id": "<missing>",
                    "Created": _seconds(entry.created),
                    "CreatedBy": entry.created_by,
                    "Tags": None,
                    "Size": 0 if entry.empty_layer else next(sizes, 0),
                    "Comment": entry.comment,
                }
            )
        steps.reverse()
        current: Image | None = image
        for step in steps:
            if current is None:
                break
            step["Id"] = current.id
            step["Tags"] = list(current.repo_tags) or None
            current = self._images.get(current.record.parent) if current.record.parent else None
        return steps

    def disk_usage(self) -> Json:
        """The images' part of ``GET /system/df``: every layer counted once, and what waits to be downloaded further."""
        layers = {
            chain_id: size
            for image in self._images.all()
            for chain_id, size in zip(image.chain_ids, image.layer_sizes, strict=True)
        }
        size = sum(layers.values()) + self._images.partial_bytes()
        return {"LayersSize": size, "Images": self.list(False, Filters(), shared_size=True)}

    def _wanted(self, image: Image, names: Sequence[Reference], all: bool, filters: Filters, dangling: bool) -> bool:
        if not image.names and self._images.reaching(image.id):
            return False  # in the row of the platform that the name means here
        if not names:
            if "reference" in filters or ("dangling" in filters and not dangling):
                return False
            return all or not self._images.children(image.id)
        return not (dangling and any(name.tag for name in names))

    def _summary(self, image: Image, names: Sequence[Reference], shared: Counter[str] | None) -> Json:
        return {
            "Containers": sum(len(self._users.users_of(each.id)) for each in self._images.variants(image.id)),
            "Created": created_ns(image) // 1_000_000_000,
            "Id": image.id,
            "Labels": image.config.labels,
            "ParentId": image.record.parent or "",
            "RepoDigests": [name.familiar() for name in names if name.digest],
            "RepoTags": [name.familiar() for name in names if name.tag],
            "SharedSize": -1 if shared is None else _shared_size(image, shared),
            "Size": image.size,
        }

    def _shared(self) -> Counter[str]:
        """How many images have each layer."""
        return Counter(chain_id for image in self._images.all() for chain_id in set(image.chain_ids))

    def _time_of(self, filters: Filters, name: str) -> int | None:
        times = [created_ns(self._images.resolve(ref)) for ref in filters.values_of(name)]
        return (min(times) if name == "before" else max(times)) if times else None

    def _directories(self, image: Image) -> dict[str, str]:
        if image.chain_id is None:
            return {}
        top, *below = [str(self._snapshotter.upper(chain_id)) for chain_id in reversed(image.chain_ids)]
        return {**({"LowerDir": ":".join(below)} if below else {}), "UpperDir": top}


def created_ns(image: Image) -> int:
    """When the image was made, in nanoseconds since 1970; long before that when it does not say."""
    return _nanoseconds(image.config.created or _NEVER)


def _origin(config: ImageConfig) -> Json:
    if config.container_config is None:
        return {}
    return {"Container": config.container, "ContainerConfig": config.container_config}


def shown_config(config: ImageConfig) -> Json:
    """The run configuration with Docker's names; as there, some fields are left out when they are not set."""
    shown: Json = {
        "Cmd": _list(config.cmd),
        "Entrypoint": _list(config.entrypoint or None),
        "Env": _list(config.env or None),
        "Labels": config.labels,
        "OnBuild": _list(config.on_build or None),
        "User": config.user,
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.working_dir,
    }
    if config.exposed_ports:
        shown["ExposedPorts"] = {port: {} for port in config.exposed_ports}
    if config.args_escaped:
        shown["ArgsEscaped"] = True
    if config.healthcheck is not None:
        shown["Healthcheck"] = msgspec.to_builtins(config.healthcheck)
    if config.shell:
        shown["Shell"] = list(config.shell)
    if config.stop_signal:
        shown["StopSignal"] = config.stop_signal
    return shown


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else [*words]


def _comment(config: ImageConfig) -> str:
    return config.comment or (config.history[-1].comment if config.history else "")


def _matching(names: Sequence[Reference], filters: Filters) -> list[Reference]:
    patterns = filters.values_of("reference")
    if not patterns:
        return list(names)
    try:
        return [
            name
            for name in names
            if any(globs.match(p, name.familiar()) or globs.match(p, name.familiar_name) for p in patterns)
        ]
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _shared_size(image: Image, shared: Counter[str]) -> int:
    layers = dict(zip(image.chain_ids, image.layer_sizes, strict=True))
    return sum(size for chain_id, size in layers.items() if shared[chain_id] > 1)


def _until(filters: Filters) -> int | None:
    now = time.time_ns()
    try:
        return _least(*(parse_timestamp(text, now) for text in filters.values_of("until")))
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _seconds(created: str) -> int:
    return _nanoseconds(created) // 1_000_000_000 if created else 0


def _nanoseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _nanoseconds(_NEVER)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
