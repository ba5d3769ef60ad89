"""Copies of local volumes: new ones made aside, the files of old ones replaced at once, and snapshots.

What is being made lies in ``<volumes>/.making-<name>``; once it is whole, and until its record is written, in
``.ready-<name>``. Snapshots lie beside their volume's files, in ``<volumes>/<name>/snapshots``, and go with it. All is
durable and in place at once, or not there: whatever a killed daemon leaves, ``recover`` knows by its name.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from havre.errors import Conflict, InvalidParameter, NotFound
from havre.kernel import mounts
from havre.kernel.exchange import exchange
from havre.store.files import sync_directory
from havre.volume.treecopy import Copied, copy_tree

_MAKING, _READY = ".making-", ".ready-"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A point-in-time copy; ``created`` is nanoseconds since 1970."""

    name: str
    created: int


class LocalCopies:
    """Works on the directory of local volumes. All of it blocks; who calls sees to it that names are not used twice."""

    def __init__(self, volumes: Path) -> None:
        self._volumes = volumes

    def begin(self, name: str) -> Path:
        """An empty directory for the files of a new volume, or of an old one anew."""
        home = self._volumes / f"{_MAKING}{name}"
        shutil.rmtree(home, ignore_errors=True)
        data = home / "_data"
        data.mkdir(parents=True)
        home.chmod(0o701)
        data.chmod(0o755)
        return data

    def give_up(self, name: str) -> None:
        """Delete what was begun."""
        shutil.rmtree(self._volumes / f"{_MAKING}{name}", ignore_errors=True)
        shutil.rmtree(self._volumes / f"{_READY}{name}", ignore_errors=True)

    def ready(self, name: str) -> None:
        """What was begun is a whole volume, whose record is written next."""
        making = self._volumes / f"{_MAKING}{name}"
        mounts.syncfs(making)
        making.rename(self._volumes / f"{_READY}{name}")
        sync_directory(self._volumes)

    def settle(self, name: str) -> None:
        """Its record is written: now it is in its place."""
        (self._volumes / f"{_READY}{name}").rename(self._volumes / name)
        sync_directory(self._volumes)

    def replace(self, name: str) -> None:
        """What was begun are the volume's files now; those it had are deleted."""
        making = self._volumes / f"{_MAKING}{name}"
        mounts.syncfs(making)
        exchange(making / "_data", self._volumes / name / "_data")
        sync_directory(self._volumes / name)
        self.give_up(name)

    def recover(self, names: frozenset[str]) -> None:
        """Settle what a killed daemon left; ``names`` are those of the records."""
        for path in list(self._volumes.iterdir()):
            name = path.name.removeprefix(_READY)
            if path.name.startswith(_READY) and name in names and not (self._volumes / name).exists():
                self.settle(name)
            elif path.name.startswith((_READY, _MAKING)):
                shutil.rmtree(path, ignore_errors=True)
            else:
                for half in path.glob(f"snapshots/{_MAKING}*"):
                    shutil.rmtree(half, ignore_errors=True)

    def is_empty(self, name: str) -> bool:
        with os.scandir(self._volumes / name / "_data") as entries:
            return next(entries, None) is None

    def snapshots(self, name: str) -> list[Snapshot]:
        """Oldest first."""
        try:
            with os.scandir(self._volumes / name / "snapshots") as entries:
                # The directory around the files is written once: its time is the snapshot's.
                found = [Snapshot(one.name, one.stat().st_mtime_ns) for one in entries if not one.name.startswith(".")]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda one: (one.created, one.name))

    def snapshot(self, name: str, snapshot: str, source: Path, stopped: Callable[[], bool]) -> Copied:
        """Copy the files at ``source`` to a snapshot of the volume. ``Conflict`` if there is one of that name."""
        place = self._snapshot(name, snapshot)
        if place.exists():
            raise Conflict(f"volume {name} already has a snapshot named {snapshot}")
        making = place.with_name(f"{_MAKING}{snapshot}")
        shutil.rmtree(making, ignore_errors=True)
        # Not the volume's own directory: a volume that was removed meanwhile is not to come back as a snapshot alone.
        place.parent.mkdir(mode=0o700, exist_ok=True)
        (making / "_data").mkdir(parents=True)
        try:
            copied = copy(source, making / "_data", stopped)
            mounts.syncfs(making)
            making.rename(place)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        sync_directory(place.parent)
        return copied

    def files_of(self, name: str, snapshot: str) -> Path:
        """Where a snapshot's files are; ``NotFound``."""
        place = self._snapshot(name, snapshot)
        if not place.exists():
            raise NotFound(f"volume {name} has no snapshot named {snapshot}")
        return place / "_data"

    def drop(self, name: str, snapshot: str) -> None:
        """Delete a snapshot; ``NotFound``."""
        place = self.files_of(name, snapshot).parent
        gone = place.with_name(f"{_MAKING}{snapshot}")
        shutil.rmtree(gone, ignore_errors=True)
        place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _snapshot(self, name: str, snapshot: str) -> Path:
        if not _NAME.fullmatch(snapshot):
            raise InvalidParameter(
                f'"{snapshot}" cannot name a snapshot: only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed, 128 at most'
            )
        return self._volumes / name / "snapshots" / snapshot


def copy(source: Path, target: Path, stopped: Callable[[], bool]) -> Copied:
    """Copy the files at ``source``, which may change meanwhile, into the empty directory ``target``."""
    reading = os.open(source, _DIRECTORY)
    try:
        writing = os.open(target, _DIRECTORY)
        try:
            return copy_tree(reading, writing, live=True, stopped=stopped)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
