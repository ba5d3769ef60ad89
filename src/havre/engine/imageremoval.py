"""``docker rmi`` and ``image prune``: which names go, and whether the image itself goes with them.

``Images`` comes in here. The rules, their order and their words are those of dockerd (daemon/images/image_delete.go).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from havre.engine.container.select import prune_until
from havre.engine.imagelisting import created_ns
from havre.engine.imagemanifests import ImageUsers
from havre.errors import Conflict, HavreError
from havre.image import digest as digests
from havre.image.manifest import Platform
from havre.image.store import Image, ImageStore
from havre.lib import references
from havre.lib.references import Reference
from havre.wire.filters import Filters

Json = dict[str, Any]
Log = Callable[[str, Image, str], None]
"""Publishes an action on an image, with the name it was called by."""

_PRUNE_FILTERS = ("dangling", "label", "label!", "until")


class _InUseError(Conflict):
    """The image cannot be deleted. ``used``: a container stands in the way."""

    def __init__(self, image: Image, hard: bool, used: bool, reason: str) -> None:
        force = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {_short(image.id)} ({force}) - {reason}")
        self.used = used


class ImageRemoval:
    """Takes names and images away."""

    def __init__(self, images: ImageStore, users: ImageUsers, log: Log) -> None:
        self._images = images
        self._users = users
        self._log = log

    async def remove(self, ref: str, force: bool, noprune: bool, platforms: Sequence[Platform] = ()) -> list[Json]:
        """``DELETE /images/{name}``: what was untagged and deleted, in order. Raises ``NotFound``, ``Conflict``.

        With ``platforms`` only the images for these go, and the names stay for the others.
        """
        if platforms:
            return await self._remove_platforms(ref, platforms, force)
        image, *others = self._images.variants(ref)
        if not _is_id(image, ref):
            records = await self._remove_name(image, ref, force, not noprune)
        else:
            records = []
            if _one_repository(image.names):
                self._check(image, soft=not force, names=False)
                for name in image.names:
                    records.append(await self._untag(image, name))
            await self._delete(image, records, force, not noprune, quiet=False)
        for other in others:
            if not _is_id(image, ref):
                await self._untag_digests(other, _stored_name(ref), self._images.reaching(other.id), records)
            await self._delete_unnamed(other, records, force, not noprune)
        return records

    async def _remove_platforms(self, ref: str, platforms: Sequence[Platform], force: bool) -> list[Json]:
        target = self._images.target(ref)
        chosen = {image.id: image for image in [self._images.resolve(ref, platform) for platform in platforms]}
        for image in chosen.values():
            self._check(image, soft=not force, names=False)
            elsewhere = [n for n in self._images.reaching(image.id) if self._images.target(n.canonical()) != target]
            if elsewhere and not force:
                raise _InUseError(image, False, False, "image is referenced in multiple repositories")
        records: list[Json] = []
        for image in chosen.values():
            if len(self._images.variants(image.id)) == 1:
                for name in image.names:
                    records.append(await self._untag(image, name))
            await self._forget(image, records)
        return records

    async def _delete_unnamed(self, image: Image, records: list[Json], force: bool, prune: bool) -> None:
        """Delete what was here for another platform, when the last name that stood for it has gone."""
        current = self._images.get(image.id)
        if current is not None and not self._images.reaching(image.id):
            await self._delete(current, records, force, prune, quiet=True)

    async def prune(self, filters: Filters) -> Json:
        """``POST /images/prune``: nameless images, or with ``dangling=false`` all that no container uses.

        Broken-off downloads go as well.
        """
        filters.validate(_PRUNE_FILTERS)
        dangling = filters.flag("dangling", default=True)
        until = prune_until(filters)
        sizes = {
            chain_id: size
            for image in self._images.all()
            for chain_id, size in zip(image.chain_ids, image.layer_sizes, strict=True)
        }
        deleted: list[Json] = []
        for image in self._images.all():
            if self._prunable(image, filters, until, dangling):
                # dockerd removes by every name in turn; whatever is in use stays, and so does the rest of it.
                for ref in [name.canonical() for name in image.names] or [image.id]:
                    deleted += await self._try_remove(ref)
        freed = sum(sizes.get(record.get("Deleted", ""), 0) for record in deleted)
        await self._images.collect()
        await self._images.prune_content(0)
        freed += self._images.prune_partials()
        return {"ImagesDeleted": deleted or None, "SpaceReclaimed": freed}

    def _prunable(self, image: Image, filters: Filters, until: int | None, dangling: bool) -> bool:
        if until is not None and created_ns(image) > until:
            return False
        if not filters.match_labels(image.config.labels) or filters.refuses_labels(image.config.labels):
            return False
        if self._images.children(image.id) and (dangling or not image.names):
            return False
        if not image.names and self._images.reaching(image.id):
            return False  # goes with the name that stands for it, among images for other platforms
        return not dangling or not image.repo_tags

    async def _try_remove(self, ref: str) -> list[Json]:
        try:
            return await self.remove(ref, force=False, noprune=False)
        except HavreError:
            return []

    async def _remove_name(self, image: Image, ref: str, force: bool, prune: bool) -> list[Json]:
        users = [user for each in self._images.variants(ref) for user in self._users.users_of(each.id)]
        if not force and _one_repository(image.names) and users:
            # Without its last name the image would be left over, in use and nameless.
            raise Conflict(
                f'conflict: unable to remove repository reference "{ref}" (must force) - container '
                f"{_short(users[0][0])} is using its referenced image {_short(image.id)}"
            )
        name = _stored_name(ref)
        records = [await self._untag(image, name)]
        await self._untag_digests(image, name, self._current(image).names, records)
        if not self._current(image).names:
            await self._delete(image, records, force, prune, quiet=True)
        return records

    async def _untag_digests(
        self, image: Image, gone: Reference, left: Iterable[Reference], records: list[Json]
    ) -> None:
        """Take the image's digests in the repository of the tag ``gone`` along with the last tag ``left`` there."""
        if gone.tag is None or any(other.tag for other in _same_repository(left, gone)):
            return
        # Digests alone name nothing a person knows the image by.
        for other in _same_repository(self._current(image).names, gone):
            records.append(await self._untag(image, other, silent=True))

    async def _delete(self, image: Image, records: list[Json], force: bool, prune: bool, quiet: bool) -> None:
        """Delete the image with what names it has left, then nameless ones it was built on if ``prune``.

        ``quiet``: a conflict is no error, except that a nameless unused image would stay.
        """
        current = self._images.get(image.id)
        if current is None:
            return  # somebody else was faster
        try:
            self._check(current, soft=not force, names=True)
        except _InUseError as conflict:
            if quiet and (current.names or self._images.children(image.id) or conflict.used):
                return
            raise
        for name in current.names:
            records.append(await self._untag(current, name))
        await self._forget(image, records)
        parent = self._images.get(image.record.parent) if image.record.parent else None
        if prune and parent is not None:
            await self._delete(parent, records, force=False, prune=True, quiet=True)

    async def _forget(self, image: Image, records: list[Json]) -> None:
        removed = await self._images.delete(image.id)
        self._log("delete", image, image.id)
        records.append({"Deleted": image.id})
        records += [{"Deleted": chain_id} for chain_id in removed]

    def _check(self, image: Image, soft: bool, names: bool) -> None:
        """Raise when something stands in the way: only what no force overcomes, or also (``soft``) the rest."""
        if self._images.children(image.id):
            raise _InUseError(image, True, False, "image has dependent child images")
        users = self._users.users_of(image.id)
        for container_id, running in users:
            if running:
                reason = f"image is being used by running container {_short(container_id)}"
                raise _InUseError(image, True, True, reason)
        if soft and names and image.names:
            raise _InUseError(image, False, False, "image is referenced in multiple repositories")
        if soft and users:
            reason = f"image is being used by stopped container {_short(users[0][0])}"
            raise _InUseError(image, False, True, reason)

    async def _untag(self, image: Image, name: Reference, silent: bool = False) -> Json:
        await self._images.untag(name)
        if not silent:
            self._log("untag", image, image.id)
        return {"Untagged": name.familiar()}

    def _current(self, image: Image) -> Image:
        return self._images.get(image.id) or image


def _stored_name(ref: str) -> Reference:
    name = references.parse(ref)
    return name.with_digest(name.digest) if name.digest else name


def _same_repository(names: Iterable[Reference], name: Reference) -> list[Reference]:
    return [other for other in names if other.repository == name.repository]


def _one_repository(names: Sequence[Reference]) -> bool:
    """Whether there is at most one tag, and digests only of its repository."""
    tags = [name for name in names if name.tag]
    repositories = {name.repository for name in names}
    return len(names) <= 1 or (len(tags) <= 1 and len(repositories) == 1)


def _is_id(image: Image, ref: str) -> bool:
    """Whether ``ref`` is an id, of the image or of its manifest, or the beginning of its own."""
    return digests.is_id(ref) or image.id.startswith(ref) or image.id.partition(":")[2].startswith(ref)


def _short(object_id: str) -> str:
    return object_id.rpartition(":")[2][:12]
