"""Docker's verbs for images. The REST door comes in here, and hands on what it gets back as JSON.

Everything is said in the shapes and words of Engine API 1.51. What an image is lives in ``havre.image``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from havre.engine.imagelisting import ImageListing
from havre.engine.imagemanifests import ImageUsers, shown, shown_platform
from havre.engine.imageremoval import ImageRemoval
from havre.engine.imageselection import select
from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.image import hello
from havre.image.blobs import BlobStore
from havre.image.hello import Hello
from havre.image.importer import Importer
from havre.image.load import LayerProgress, Loaded, Loader
from havre.image.manifest import Platform, host_platform, parse_platform
from havre.image.remote import distribution
from havre.image.remote.auth import Auth
from havre.image.remote.progress import drawn
from havre.image.remote.pull import Puller
from havre.image.remote.push import Pusher
from havre.image.remote.repository import Registries
from havre.image.save import Saver, Selection
from havre.image.snapshots import Snapshotter
from havre.image.store import Image, ImageStore
from havre.lib import references
from havre.lib.references import Reference
from havre.wire.filters import Filters

Json = dict[str, Any]
Rows = list[Json]
Selections = list[Selection]
Tagged = list[tuple[Image, Reference | None]]


class EventSink(Protocol):
    """Where what happened is told."""

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> None: ...


class Images:
    """``pull load save import tag rmi images inspect history prune``."""

    def __init__(
        self,
        images: ImageStore,
        blobs: BlobStore,
        snapshotter: Snapshotter,
        loader: Loader,
        saver: Saver,
        importer: Importer,
        embedded: Hello,
        puller: Puller,
        pusher: Pusher,
        registries: Registries,
        users: ImageUsers,
        events: EventSink,
    ) -> None:
        self._images = images
        self._loader = loader
        self._saver = saver
        self._importer = importer
        self._embedded = embedded
        self._puller = puller
        self._pusher = pusher
        self._registries = registries
        self._events = events
        self._listing = ImageListing(images, blobs, snapshotter, users)
        self._removal = ImageRemoval(images, users, self._log)

    # -- what there is ------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many images there are."""
        return len(self._images.all())

    async def list(
        self, all: bool, filters: Filters, shared_size: bool = False, digests: bool = False, manifests: bool = False
    ) -> Rows:
        """``GET /images/json``. ``digests`` changes nothing since 1.22."""
        return self._listing.list(all, filters, shared_size, manifests)

    async def inspect(
        self, ref: str, container: bool = False, platform: str | None = None, manifests: bool = False
    ) -> Json:
        """``GET /images/{name}/json``. With ``container`` also what it was committed from, as up to API 1.44."""
        return self._listing.inspect(ref, container, _parsed(platform), manifests)

    async def history(self, ref: str, platform: str | None = None) -> Rows:
        """``GET /images/{name}/history``."""
        return self._listing.history(ref, _parsed(platform))

    async def disk_usage(self) -> Json:
        """``{"LayersSize": bytes, "Images": […]}`` of ``GET /system/df``."""
        return self._listing.disk_usage()

    # -- names --------------------------------------------------------------------------------------------------------

    async def tag(self, ref: str, repo: str, tag: str) -> None:
        """``POST /images/{name}/tag``: call the image ``repo:tag`` (``latest`` by default) as well."""
        name = new_name(repo, tag)
        if name is None:
            raise InvalidParameter("invalid reference format")
        image = self._images.resolve(ref)
        await self._images.tag(image.id, name, self._images.target(ref))
        self._log("tag", image, name.familiar())

    async def remove(self, ref: str, force: bool = False, noprune: bool = False, platforms: Sequence[str] = ()) -> Rows:
        """``DELETE /images/{name}``: ``[{"Untagged": name}, {"Deleted": id}, …]``."""
        return await self._removal.remove(ref, force, noprune, [parse_platform(text) for text in platforms])

    async def prune(self, filters: Filters) -> Json:
        """``POST /images/prune``."""
        report = await self._removal.prune(filters)
        self._events.publish("image", "prune", "", {"reclaimed": str(report["SpaceReclaimed"])})
        return report

    # -- bringing in --------------------------------------------------------------------------------------------------

    async def pull(
        self, ref: str, tag: str, platform: str | None, auth: Auth | None, all_tags: bool
    ) -> AsyncIterator[Json]:
        """``POST /images/create?fromImage=``: Docker's progress messages. ``tag`` may also be a digest."""
        name = _pulled_name(ref, tag, all_tags)
        if name == hello.NAME and platform in (None, "", str(host_platform())):
            async for message in self._make_embedded():
                yield message
            return
        wanted = parse_platform(platform) if platform else None
        async for message in self._puller.pull(name, wanted, auth, all_tags):
            yield message
        image = self._images.named(name.with_digest(name.digest) if name.digest else name)
        labels = (image.config.labels or {}) if image is not None else {}
        self._events.publish("image", "pull", name.familiar(), {**labels, "name": name.familiar_name})

    async def _make_embedded(self) -> AsyncIterator[Json]:
        shown = hello.NAME.familiar()
        if self._images.named(hello.NAME) is not None:
            yield {"status": f"Status: Image is up to date for {shown}"}
            return
        yield {"status": f"Making the embedded image from {hello.busybox()}", "id": hello.NAME.tag}
        image = await self._embedded.ensure()
        yield {"status": f"Status: Made new image for {shown}"}
        self._log("pull", image, shown)

    async def load(
        self, chunks: AsyncIterator[bytes], quiet: bool, platforms: Sequence[str] = ()
    ) -> AsyncIterator[Json]:
        """``POST /images/load``: progress of the layers unless ``quiet``, then the names loaded, or ids without one."""
        wanted = [parse_platform(text) for text in platforms]
        nameless: list[str] = []
        named = False
        async for event in self._loader.load(chunks, wanted):
            if isinstance(event, LayerProgress):
                if not quiet:
                    yield _bar(event)
                continue
            for message in _loaded(event, quiet):
                yield message
            named = named or bool(event.names)
            nameless += [] if event.names else [event.image.id]
            self._log("load", event.image, event.image.id)
        if not named:
            for image_id in nameless:
                yield {"stream": f"Loaded image ID: {image_id}\n"}

    async def import_(
        self,
        src: str,
        repo: str,
        tag: str,
        message: str,
        changes: Sequence[str],
        platform: str | None,
        body: AsyncIterator[bytes],
    ) -> AsyncIterator[Json]:
        """``POST /images/create?fromSrc=``: the id of an image made of the archive in ``body``."""
        name = new_name(repo, tag)
        if src != "-":
            raise Unsupported("havre does not implement the import from a URL yet: download it and import the file")
        wanted = parse_platform(platform) if platform else host_platform()
        if wanted.os != host_platform().os:
            raise InvalidParameter(f'operating system "{wanted.os}" is not supported')
        # The Dockerfile's grammar takes a while to import, and few ask for it.
        from havre.engine import changes as instructions

        settings = instructions.apply(changes, {})
        image = await self._importer.import_(body, settings, wanted, message, [name] if name else [])
        if name:
            self._log("tag", image, name.familiar())
        self._log("import", image, image.id)
        yield {"status": image.id}

    # -- registries ---------------------------------------------------------------------------------------------------

    async def push(self, ref: str, tag: str, platform: str | None, auth: Auth | None) -> AsyncIterator[Json]:
        """``POST /images/{name}/push``: Docker's progress messages. Without ``tag`` all tags of the repository."""
        try:
            name = references.parse(ref, None)
            name = name.with_tag(tag) if tag else name
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        if name.digest is not None:
            raise InvalidParameter("cannot push a digest reference")
        async for message in self._pusher.push(name, _parsed(platform), auth, self._pushed):
            yield message

    def _pushed(self, name: Reference) -> None:
        image = self._images.named(name)
        labels = (image.config.labels or {}) if image is not None else {}
        self._events.publish("image", "push", name.familiar(), {**labels, "name": name.familiar_name})

    async def distribution(self, ref: str, auth: Auth | None) -> Json:
        """``GET /distribution/{name}/json``: what the registry has under the name."""
        try:
            name = references.parse(ref)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        found = await distribution.inspect(self._registries, name, auth)
        return {"Descriptor": shown(found.descriptor), "Platforms": [shown_platform(p) for p in found.platforms]}

    # -- taking out ---------------------------------------------------------------------------------------------------

    async def save(self, names: Sequence[str], platforms: Sequence[str] = ()) -> AsyncIterator[bytes]:
        """``GET /images/get``: the images as one archive, for all platforms that are here, or only ``platforms``.

        A name without a tag stands for all tags of its repository.
        """
        wanted = [parse_platform(text) for text in platforms]
        with self._images.hold():
            selected = self._select(names, wanted)
            async for piece in self._saver.save(selected):
                yield piece
        for each in selected:
            self._log("save", each.image, each.image.id)

    def _select(self, names: Sequence[str], platforms: Sequence[Platform]) -> Selections:
        """Each image once, with all the tags it was asked for by."""
        selected: dict[tuple[str, str | None], Selection] = {}
        for text in names:
            for image, tag in self._named(text):
                chosen = select(self._images, image, tag, platforms)
                key = (chosen.image.id, chosen.index.digest if chosen.index else None)
                tags = selected[key].tags if key in selected else ()
                selected[key] = replace(chosen, tags=tags + tuple(t for t in chosen.tags if t not in tags))
        return list(selected.values())

    def _named(self, text: str) -> Tagged:
        try:
            name = references.parse(text, None)
        except ValueError:
            name = None
        if name is not None and name.tag is None and name.digest is None:
            tags = sorted(
                (each.canonical(), image, each)
                for image in self._images.all()
                for each in image.names
                if each.tag and each.repository == name.repository
            )
            return [(image, each) for _, image, each in tags] or [(self._images.resolve(text), None)]
        if name is not None and name.familiar_name != "sha256":
            image = self._images.named(name.with_digest(name.digest) if name.digest else name)
            if image is None:
                raise NotFound("reference does not exist")
            return [(image, None if name.digest else name)]
        return [(self._images.resolve(text), None)]

    def _log(self, action: str, image: Image, name: str) -> None:
        # Docker looks the labels up when it tells, and those of an image that is deleted are gone then.
        labels = {} if action == "delete" else image.config.labels or {}
        self._events.publish("image", action, image.id, {**labels, "name": name})


def _parsed(platform: str | None) -> Platform | None:
    return parse_platform(platform) if platform else None


def _pulled_name(ref: str, tag: str, all_tags: bool) -> Reference:
    try:
        name = references.parse(ref, None if all_tags or tag else references.DEFAULT_TAG)
        if tag.startswith(("sha256:", "sha512:")):
            return name.with_digest(tag)
        return name.with_tag(tag) if tag else name
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def new_name(repo: str, tag: str) -> Reference | None:
    """A name to be given; None when ``repo`` is empty."""
    if not repo:
        return None
    try:
        name = references.parse(repo)
        if name.digest is not None:
            raise InvalidParameter("cannot import digest reference")
        return name.with_tag(tag) if tag else name
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _loaded(event: Loaded, quiet: bool) -> Rows:
    taken = [] if quiet else event.taken
    lines = [
        f"The image {name.familiar()} already exists, renaming the old one with ID {old} to empty string\n"
        for name, old in taken
    ]
    return [{"stream": line} for line in [*lines, *(f"Loaded image: {name.familiar()}\n" for name in event.names)]]


def _bar(event: LayerProgress) -> Json:
    return {
        "status": "Loading layer",
        "progressDetail": {"current": event.current, "total": event.total},
        "progress": drawn(event.current, event.total),
        "id": event.diff_id.partition(":")[2][:12],
    }
