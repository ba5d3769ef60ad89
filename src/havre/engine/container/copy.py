"""Copy: files in and out of a container as tar streams, whether it runs or not. ``docker cp`` comes in here."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from havre.engine.container import pathstat, users, volumeevents
from havre.engine.container.create import EventSink
from havre.engine.container.record import Container
from havre.engine.container.viewing import Sight, Views
from havre.errors import Conflict, Forbidden, HavreError, InvalidParameter, NotFound, SystemFault
from havre.kernel import treetar
from havre.kernel.treextract import Rules, extract
from havre.kernel.views import TooManyLinksError, View, mount_id
from havre.lib.relay import Outflow, inflow, settled

_NAME = os.O_PATH | os.O_NOFOLLOW
_REFUSED = (errno.EROFS, errno.EPERM, errno.EACCES)
# What an archive can ask for that cannot be, as the tree stands.
_IMPOSSIBLE = (
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EXDEV,
)


class Copier:
    """``HEAD``, ``GET`` and ``PUT /containers/{id}/archive``. Paths count from the container's root, as it sees it."""

    def __init__(self, views: Views, events: EventSink) -> None:
        self._views = views
        self._events = events

    async def stat(self, reference: str, path: str) -> dict[str, Any]:
        """name, size, mode (Go's), mtime and linkTarget of ``path``; a link at its end is not followed.

        ``NotFound`` with Docker's text; ``InvalidParameter`` for a path through something that is no directory.
        """
        async with self._sight(reference) as sight:
            with _looking(reference, path):
                found = await asyncio.to_thread(_stat, sight.view, path)
        return found

    async def get(self, reference: str, path: str) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
        """What ``stat`` says, and the archive: its entries begin with the last element of ``path``.

        The stream has ``aclose``, to be called when it is not read to the end; reading it fails when a file cannot be
        read. What the container changes meanwhile may or may not be in it. Errors as ``stat``.
        """
        sight = await self._open(reference)
        try:
            with _looking(reference, path):
                # Named by its clean path: what a client unpacks must not begin with two dots.
                name = pathstat.base(pathstat.absolute(path))
                fd, found = await settled(lambda: _look(sight.view, path, name), lambda made: os.close(made[0]))
        except BaseException:
            await self._give_up(sight)
            raise

        def work(write: Callable[[bytes], None]) -> None:
            try:
                treetar.archive(fd, b"" if name == "/" else os.fsencode(name), sight.view.hidden, write)
            finally:
                os.close(fd)

        def over() -> None:
            self._views.give_up_later(sight)
            volumeevents.unmounted(self._events, sight.container)

        stream = Outflow(work, over, "havre-copy")
        self._publish("archive-path", sight.container)
        return found, stream

    async def put(
        self,
        reference: str,
        path: str,
        body: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack the tar archive ``body`` (compressed or not) into the directory ``path``.

        Owners are those in the archive; with ``copy_uid_gid`` the container's user, if it has one. With
        ``no_overwrite_dir_non_dir`` nothing else replaces a directory, nor a directory anything else. What was unpacked
        before an error stays. ``NotFound``, ``InvalidParameter`` and ``Forbidden`` (read-only) with Docker's texts.
        """
        async with self._sight(reference) as sight:
            with _looking(reference, path):
                target, shown = await settled(lambda: _target(sight, path), lambda made: os.close(made[0]))
            try:
                owner = await asyncio.to_thread(_owner, sight) if copy_uid_gid else None
                rules = Rules(owner, no_overwrite_dir_non_dir, shown)
                await inflow(body, lambda source: _unpack(source, target, rules), "havre-copy")
            finally:
                os.close(target)
            self._publish("extract-to-dir", sight.container)

    @asynccontextmanager
    async def _sight(self, reference: str) -> AsyncIterator[Sight]:
        sight = await self._open(reference)
        try:
            yield sight
        finally:
            await self._give_up(sight)

    async def _open(self, reference: str) -> Sight:
        sight = await self._views.open(reference)
        volumeevents.mounted(self._events, sight.container)
        return sight

    async def _give_up(self, sight: Sight) -> None:
        await self._views.give_up(sight)
        volumeevents.unmounted(self._events, sight.container)

    def _publish(self, action: str, container: Container) -> None:
        self._events.publish("container", action, container.id, container.event_attributes())


def _stat(view: View, path: str) -> dict[str, Any]:
    fd, found = _look(view, path, pathstat.base(path))
    os.close(fd)
    return found


def _look(view: View, path: str, name: str) -> tuple[int, dict[str, Any]]:
    """A descriptor of what ``path`` names, to be closed, and what is said of it under ``name``."""
    absolute = pathstat.absolute(path)
    fd = view.open(absolute, _NAME)
    try:
        status = os.fstat(fd)
        if not stat.S_ISDIR(status.st_mode) and mount_id(fd) in view.hidden:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        target = os.fsdecode(view.resolve(os.fsencode(absolute))) if stat.S_ISLNK(status.st_mode) else ""
        return fd, pathstat.path_stat(name, status, target)
    except BaseException:
        os.close(fd)
        raise


def _target(sight: Sight, path: str) -> tuple[int, str]:
    """A descriptor of the directory to unpack into, and its path without links."""
    absolute = pathstat.absolute(path)
    fd = sight.view.open(absolute, os.O_PATH)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            raise InvalidParameter("extraction point is not a directory")
        shown = os.fsdecode(sight.view.resolve(os.fsencode(absolute)))
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            raise _read_only(sight, fd, shown)
        return fd, shown
    except BaseException:
        os.close(fd)
        raise


def _read_only(sight: Sight, fd: int, path: str) -> HavreError:
    if mount_id(fd) == mount_id(sight.view.root):
        return Forbidden("container rootfs is marked read-only")
    inside = [mount for mount in sight.container.mounts if Path(path).is_relative_to(mount.point.destination)]
    if inside and inside[-1].point.type == "tmpfs" and inside[-1].point.rw:
        where = inside[-1].point.destination
        return Conflict(f"the tmpfs at {where} exists only while the container runs: nothing can be copied into it")
    return Forbidden("mounted volume is marked read-only")


def _owner(sight: Sight) -> tuple[int, int] | None:
    if not sight.container.config.user:
        return None
    user = users.resolve(Path(f"/proc/self/fd/{sight.view.root}"), sight.container.config.user)
    return user.uid, user.gid


@contextmanager
def _looking(reference: str, path: str) -> Iterator[None]:
    """Give errors of finding ``path`` Docker's words."""
    absolute = pathstat.absolute(path)
    if "\0" in path:
        raise InvalidParameter("lstat: invalid argument: the path has a NUL in it")
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"Could not find the file {path} in container {reference}") from None
    except TooManyLinksError:
        raise InvalidParameter(f"evalSymlinksInScope: too many links in {absolute}") from None
    except OSError as error:
        raise _kind(error)(f"lstat {absolute}: {_reason(error)}") from None


def _unpack(source: Iterator[bytes], target: int, rules: Rules) -> None:
    try:
        extract(source, target, rules)
    except OSError as error:
        text = f"{error.filename}: {_reason(error)}"
        if error.errno == errno.EBUSY:  # a mount point: Docker has these words for it
            raise Conflict(f"RemoveAll {text}") from None
        raise _kind(error)(text) from None


def _kind(error: OSError) -> type[HavreError]:
    """What a refusal of the file system means to the caller."""
    if error.errno in _REFUSED:
        return Forbidden
    return InvalidParameter if error.errno in _IMPOSSIBLE else SystemFault


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
